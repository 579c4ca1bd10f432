"""What a step loses to its input, which pipeline could feed which accelerator, and what would help."""
