"""Owns SQL: every table, statement and transaction. It decides nothing about protocols and never formats an answer.

An operation is one synchronous function of a SQLAlchemy ``Connection``; ``Database`` runs it, durably.
"""
