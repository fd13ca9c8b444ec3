"""Owns the grant types: each a function ``TokenRequest -> Authorization``. It sees neither HTTP nor token formats."""
