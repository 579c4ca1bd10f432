"""What this machine is, and what makes it noisy."""
