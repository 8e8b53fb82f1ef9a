"""Studies: grids of evaluations, and probes of what a method knows of time."""
