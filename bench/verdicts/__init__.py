"""Judging: pairs of processes that take turns, and what they say."""
