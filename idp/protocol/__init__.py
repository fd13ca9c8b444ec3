"""Owns what OAuth and OpenID Connect say: values, checks, decisions, answers. Pure: no I/O, clock, web or SQL."""
