"""`python -m bench`."""

import sys

if __name__ == "__main__":
    try:
        from bench.cli.main import main
    except ModuleNotFoundError as missing:  # another Python than that of the environment
        sys.exit(
            f"error: {missing} in {sys.executable}. Run `.venv/bin/python -m bench ...`; "
            "`make bench` makes that environment"
        )
    main()
