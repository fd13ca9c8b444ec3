"""OAuth 2.x and OpenID Connect for Python teams: the provider, and the verifier its resource servers need.

This module stays light: ``import idp.verify`` must work with the base install alone (cryptography, joserfc).
"""

__version__ = "0.1.0"
