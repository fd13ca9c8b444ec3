"""Owns what tests of the whole server share: a browser without a window, registered apps, reading tokens as a stranger.

It knows the provider only from outside (HTTP, ``idp.testing``); it asserts nothing about what the server decides.
"""

from support.apps import NATIVE, SPA, VERIFIER, WEB, App, challenge, register
from support.people import PASSWORD, add_person
from support.strangers import at_the_root, claims_of, discovery, header_of, key_set, unverified, userinfo
from support.visitor import Answer, Page, Visitor, granted, sign_in

__all__ = [
    "NATIVE",
    "PASSWORD",
    "SPA",
    "VERIFIER",
    "WEB",
    "Answer",
    "App",
    "Page",
    "Visitor",
    "add_person",
    "at_the_root",
    "challenge",
    "claims_of",
    "discovery",
    "granted",
    "header_of",
    "key_set",
    "register",
    "sign_in",
    "unverified",
    "userinfo",
]
