"""Time to accuracy: trainings over seeds and ways, how good they become, how long it takes, and what an epoch costs."""
