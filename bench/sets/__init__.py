"""Comparing stored sets of measurements."""
