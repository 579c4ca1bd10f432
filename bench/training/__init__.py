"""Accuracy and the time to reach it, over seeds and variants."""
