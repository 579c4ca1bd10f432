"""Following performance over commits: steps, and the commit that made each."""
