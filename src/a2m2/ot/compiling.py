"""How the solver is compiled: one entry point, kept on disk, into which its steps are merged.

No function of the kernel allocates, so Numba's reference counts are switched off (``_nrt``). Counting the
twenty arrays of a workspace wherever they are passed on took up to half of the time of a solution.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False}
_STEP_OPTIONS = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def source_digest() -> str:
    """Digest of the room's source files."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def entry(function: Function) -> Function:
    """Compile a function that Python calls, keeping its machine code on disk where a folder can be written.

    Numba writes beside the source, else into the user's cache folder; with neither it would refuse to import,
    so then the code lives as long as the process. Numba looks for changes in the function's own file only;
    therefore the name of the cache file carries a digest of all files of the room.
    """
    function.__qualname__ = f"{function.__name__}_{source_digest()}"
    try:
        decorated: Function = njit(cache=True, **_OPTIONS)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        decorated = njit(**_OPTIONS)(function)
    return decorated


def inlined(function: Function) -> Function:
    """Compile a step that is always merged into its caller.

    A workspace is over a hundred words of arguments: calls would cost more than the steps.
    """
    decorated: Function = njit(forceinline=True, **_STEP_OPTIONS)(function)
    return decorated


def called(function: Function) -> Function:
    """Compile a step that is seldom needed and stays a function of its own."""
    decorated: Function = njit(**_STEP_OPTIONS)(function)
    return decorated


def summing(function: Function) -> Function:
    """Compile a step made of long loops; sums and minima of finite numbers may be taken in any order."""
    decorated: Function = njit(fastmath={"reassoc", "nsz", "nnan"}, **_STEP_OPTIONS)(function)
    return decorated
