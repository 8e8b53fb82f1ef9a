"""Randomness of training: every number is a pure function of the seed and of what it is for.

No generator lives from one step to the next, so a training that is resumed at step n draws what it would have drawn
without the interruption, and needs to have saved nothing but n.
"""

from __future__ import annotations

import hashlib

import torch


def seed_of(*key: int | str) -> int:
    """A seed of 63 bits named by ``key``; seeds of different keys are independent."""
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:8], "little") >> 1


def generator_of(*key: int | str) -> torch.Generator:
    """A fresh generator seeded by ``key``."""
    return torch.Generator().manual_seed(seed_of(*key))
