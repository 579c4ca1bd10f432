"""Other loaders beside ours, and what the machine could do at most: the same bytes, the same cores, in turns."""
