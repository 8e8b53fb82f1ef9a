"""Hostile files for everything that reads: seeded mutations of real ones, read under limits of time and memory."""
