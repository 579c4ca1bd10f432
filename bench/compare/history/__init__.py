"""Performance over commits: change points, and the commit that made each."""
