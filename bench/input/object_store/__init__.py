"""The same records read from an object store at a stated distance."""
