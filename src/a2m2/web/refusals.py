"""What a person is told when something is refused: their own names for things, and no path of this machine."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from a2m2.errors import A2M2Error, DecodeError, OutputError, UndecodableError

_LOG = logging.getLogger("a2m2.web")


class Refusal(A2M2Error):
    """A request that cannot be met, in words for the person who made it.

    Attributes:
        status: of the HTTP answer.
    """

    def __init__(self, message: str, *, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


def undecodable_clip(name: str, error: DecodeError) -> str:
    """Why a clip cannot be used."""
    return f"{name} cannot be used: {error.cause}; {error.cure}"


def in_plain_words(error: BaseException, names: Mapping[Path, str]) -> str:
    """What to tell the person whose work ended with ``error``.

    Messages of this package name files of the machine, so only those parts are told that do not; whoever runs the
    server finds the rest in its log.

    Args:
        error: what was raised.
        names: the person's names for files of their session.
    """
    if isinstance(error, Refusal):
        return str(error)
    if isinstance(error, UndecodableError):
        return "; ".join(undecodable_clip(names.get(one.path, "a clip"), one) for one in error.errors[:3])
    if isinstance(error, DecodeError):
        return undecodable_clip(names.get(error.path, "the clip"), error)
    _LOG.error("a job failed: %s", error, exc_info=error)
    if isinstance(error, OutputError | OSError):
        return "the server could not write its temporary files; its disk may be full"
    if isinstance(error, MemoryError):
        return "the server ran out of memory; try fewer or shorter clips"
    return "this failed on the server; your clips are still here, and its terminal says why"
