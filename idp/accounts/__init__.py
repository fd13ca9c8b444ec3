"""Owns people proving who they are: passwords and sign-in. It owns no cookies or pages (web) and no SQL (store)."""
