"""How training scales over replicas and over hosts: images/s, efficiency, and whether losses stay the same."""
