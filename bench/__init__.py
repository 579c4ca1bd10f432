"""The harness: it measures `flowers_core`, keeps the figures and answers questions about them."""
