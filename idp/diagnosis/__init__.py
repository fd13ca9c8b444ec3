"""Owns how a token, an API and a provider are looked at from outside: what is asked, what is found, how to mend it.

It prints nothing, reads no clock and holds no rule of its own about tokens: ``idp.verify`` judges them. Requests go
through ``idp.outbound``.
"""
