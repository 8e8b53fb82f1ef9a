"""When two names mean the same video or class."""

from __future__ import annotations

import os
import re

from a2m2.data.folders import VIDEO_SUFFIXES

_BETWEEN_DIGITS = re.compile(r"(?<=\d)[\W_]+(?=\d)")
_SEPARATOR = re.compile(r"[\W_]+")
_KEPT = "\0"
_SECONDS = re.compile(r"_\d{6}_\d{6}$")


def spelling(name: str) -> str:
    """``name`` without what is spelled in several ways: case, spaces, hyphens, underscores and brackets.

    What separates two digits stays, as one mark: ``a_1_11`` and ``a_11_1`` are two videos.

    Example:
        >>> spelling("v_HandStandPushups_g01_c02") == spelling("v_Handstand-Pushups_G01 c02")
        True
        >>> spelling("a_1_11") == spelling("a_11_1")
        False
    """
    marked = _BETWEEN_DIGITS.sub(_KEPT, name.casefold())
    return _KEPT.join(_SEPARATOR.sub("", part) for part in marked.split(_KEPT))


def stem_of(name: str) -> str:
    """The name of a file without the suffix of a video; other dots belong to the name.

    Example:
        >>> stem_of("v1.2.avi"), stem_of("v1.2")
        ('v1.2', 'v1.2')
    """
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in VIDEO_SUFFIXES else name


def without_seconds(source: str) -> str:
    """A Kinetics id without ``_start_end``, which some lists and some downloads leave out.

    Example:
        >>> without_seconds("-kYzxMKp514_000086_000096")
        '-kYzxMKp514'
    """
    return _SECONDS.sub("", source)
