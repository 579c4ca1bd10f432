"""Keeping and reading measurements: the store, summaries, tables, the page."""
