"""Feeding: what a model loses to its input, which pipeline could feed which device, and what would help."""
