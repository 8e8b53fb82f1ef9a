"""Every error a user can cause, in one family.

Each message says what was expected, what came instead, and what to do about it. The command line prints the
message alone, without a traceback, and exits with status 1. Inside tensor code a wrong argument is a plain
``ValueError``; the transport solver, which imports nothing of this package, raises its own subclasses of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class A2M2Error(Exception):
    """Base of all errors that a user of the package can mend."""


class ConfigError(A2M2Error):
    """A configuration file, key or value that cannot be used."""


class DataError(A2M2Error):
    """A folder, list or manifest of videos that cannot be used."""


class EpisodeError(DataError):
    """A split that cannot fill the episodes asked for."""


class DecodeError(A2M2Error):
    """A video that cannot be read, or cannot be read completely.

    Attributes:
        path: the file or frame folder.
        cause: what is wrong with it, in plain words.
        cure: what the user can do.
    """

    def __init__(self, path: str | Path, cause: str, cure: str) -> None:
        super().__init__(path, cause, cure)
        self.path = Path(path)
        self.cause = cause
        self.cure = cure

    def __str__(self) -> str:
        return f"cannot decode {self.path}: {self.cause}; {self.cure}"


class UndecodableError(DataError):
    """Some videos of a set cannot be decoded.

    Attributes:
        errors: one a video.
    """

    def __init__(self, message: str, errors: Sequence[DecodeError]) -> None:
        super().__init__(message)
        self.errors = tuple(errors)


def undecodable(errors: Sequence[DecodeError]) -> UndecodableError:
    """One error for at least one video that cannot be decoded; the first three are named."""
    if len(errors) == 1:
        return UndecodableError(str(errors[0]), errors)
    named = "; ".join(f"{error.path}: {error.cause}" for error in errors[:3])
    more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
    return UndecodableError(
        f"{len(errors)} videos cannot be decoded: {named}{more}; replace or remove them", errors
    )


class NotEnrolledError(DataError, AttributeError):
    """A recogniser that was asked before it knew any action.

    Also an ``AttributeError``, so that ``hasattr(recogniser, "classes_")`` is an answer and not a failure.
    """


class WeightsError(A2M2Error):
    """A backbone or model whose weights are missing, unreadable or of another configuration."""


class TrainingError(A2M2Error):
    """A training that cannot go on, such as a loss that is not a number."""


class RankLostError(TrainingError):
    """One of the processes that share a training ended, or cannot be reached."""


class EngineError(A2M2Error):
    """A cluster that cannot be reached, or whose workers keep ending."""


class OutputError(A2M2Error):
    """A place that cannot be written to, or a write that failed half-way."""


class RecordError(A2M2Error):
    """A folder of results that is incomplete, unreadable, or not comparable with another."""
