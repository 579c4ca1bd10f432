"""Other loaders beside ours, and the decode ceiling: the same bytes, the same cores, in turns."""
