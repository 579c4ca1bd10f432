"""`python -m flowers_core`."""

from flowers_core.cli.main import main

if __name__ == "__main__":
    main()
