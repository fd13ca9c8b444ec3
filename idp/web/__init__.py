"""Owns everything that speaks Starlette: endpoints, pages, middleware.

Decides nothing about protocols, keys or people.
"""
