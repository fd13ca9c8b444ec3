"""Owns how an operator's file is read and what is said when it is wrong; knows no setting, client or person.

A leaf beside ``idp.settings``: everyone may import it, it imports nothing of ours.
"""
