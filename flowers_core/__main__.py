"""`python -m flowers_core`."""

import sys

if __name__ == "__main__":
    try:
        from flowers_core.cli.main import main
    except ModuleNotFoundError as missing:  # another Python than that of the environment
        sys.exit(
            f"error: {missing} in {sys.executable}. Run `.venv/bin/python -m flowers_core ...`; "
            "`make bench` makes that environment"
        )
    main()
