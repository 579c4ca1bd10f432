"""The command line of the harness: it parses options and calls."""
