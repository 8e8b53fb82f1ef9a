"""Models on episodes, and what the answers are worth.

Nothing is imported here: :mod:`a2m2.eval.stats` works without torch, the other modules need it.
"""
