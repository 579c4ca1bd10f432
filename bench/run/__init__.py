"""One cell measured in one fresh process."""
