"""Is the candidate slower than the base? Pairs of processes that take turns, and the test over them."""
