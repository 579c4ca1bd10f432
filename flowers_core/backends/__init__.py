"""Where a model runs and in which number format."""
