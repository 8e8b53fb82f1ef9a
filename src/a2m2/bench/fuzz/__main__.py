"""Run as ``python -m a2m2.bench.fuzz``."""

from a2m2.bench.fuzz.main import main

if __name__ == "__main__":
    main()
