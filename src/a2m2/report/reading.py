"""What readers of folders share: names for people, and refusals in one line that names the file and the cure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from a2m2.errors import RecordError


def labels_of(folders: Sequence[Path]) -> list[str]:
    """Names of the folders, numbered where several are alike."""
    names = [folder.resolve().name for folder in folders]
    return [
        name if names.count(name) == 1 else f"{name} ({names[: i + 1].count(name)})"
        for i, name in enumerate(names)
    ]


def check_finite(what: str, *values: float) -> None:
    """Refuse infinities and what is not a number.

    Raises:
        ValueError: one is; ``what`` is named.
    """
    for value in values:
        if not math.isfinite(value):
            raise ValueError(f"{what} has a figure that is not finite")


def check_between(what: str, low: float, high: float, *values: float, noun: str = "figure") -> None:
    """Refuse figures outside ``low`` to ``high``.

    Raises:
        ValueError: one is outside, infinite or no number; ``what`` is named, and ``noun`` is what was expected.
    """
    check_finite(what, *values)
    for value in values:
        if not low <= value <= high:
            raise ValueError(f"{what} has {value:g} where a {noun} from {low:g} to {high:g} was expected")


def check_shares(what: str, *values: float) -> None:
    """Refuse what is no share.

    Raises:
        ValueError: a figure outside 0 to 1; ``what`` is named.
    """
    check_between(what, 0, 1, *values, noun="share")


@contextmanager
def reading(path: Path, cure: str) -> Iterator[None]:
    """Turn what goes wrong while ``path`` is read into one line that names it and says what to do."""
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its content"
        raise RecordError(f"{path} cannot be used ({where}: {first['msg']}); {cure}") from None
    except ValueError as error:
        raise RecordError(f"{path} cannot be used ({error}); {cure}") from None
    except OSError as error:
        raise RecordError(
            f"{path} cannot be read ({error.strerror}); check the file and its permissions"
        ) from None
