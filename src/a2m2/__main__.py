"""``python -m a2m2``: the same as the ``a2m2`` command."""

from a2m2.cli.main import main

if __name__ == "__main__":
    main()
