"""Measurements: plain programs, each run as ``python -m a2m2.bench.NAME``, that print figures and write JSON."""
