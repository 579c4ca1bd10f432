"""`python -m flowers_core`."""

from flowers_core.cli import main

if __name__ == "__main__":
    main()
