"""Large tensors in a file without a name, so that a set of videos may be larger than memory."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Sequence
from math import prod
from pathlib import Path

import torch
from torch import Tensor

LEAST_BYTES = 2**30
"""Smaller tensors are kept in memory."""


def empty(folder: Path, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """A tensor to be filled; a large one lies in a file in ``folder`` that is removed with it, or by a crash.

    The system writes its pages out when memory is short, and reads them again. In memory, where the file system has no
    room for it or cannot promise it.
    """
    size = prod(shape) * dtype.itemsize
    if size < LEAST_BYTES or not size or not hasattr(os, "posix_fallocate"):
        return torch.empty(*shape, dtype=dtype)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            # Without room set aside, a disk that fills up later would end the process.
            os.posix_fallocate(file.fileno(), 0, size)
            pages = mmap.mmap(file.fileno(), size)
    except OSError:
        return torch.empty(*shape, dtype=dtype)
    return torch.frombuffer(pages, dtype=dtype).view(*shape)
