"""Owns what operators watch from outside: the metrics, and how they are shown. It decides nothing."""
