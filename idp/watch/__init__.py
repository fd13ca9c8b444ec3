"""Owns what an operator sees from outside: log lines, metrics, traces. It decides nothing and changes no answer.

What must be remembered is the audit's (``store.audit``), and what a refusal says is ``web.refusals``'.
"""
