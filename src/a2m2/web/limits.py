"""How much a person may ask of the server."""

from __future__ import annotations

from dataclasses import dataclass

from a2m2.errors import ConfigError

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Limits:
    """What is refused, and when a session ends.

    Attributes:
        upload_mb: largest file, in millions of bytes.
        clips: clips in one session.
        sessions: sessions at one time.
        idle_minutes: a session that asks for nothing for so long is removed.
        leave_seconds: a page that was left may come back within this time, as a reload does.
        jobs: enrolments, recognitions and searches at the same time, over all sessions.

    Raises:
        ConfigError: one that is not positive.
    """

    upload_mb: int = 200
    clips: int = 200
    sessions: int = 8
    idle_minutes: float = 30.0
    leave_seconds: float = 20.0
    jobs: int = 1

    def __post_init__(self) -> None:
        for name in ("upload_mb", "clips", "sessions", "idle_minutes", "leave_seconds", "jobs"):
            value = getattr(self, name)
            if not value > 0:
                raise ConfigError(f"expected {name} above 0, got {value:g}; give more")

    @property
    def upload_bytes(self) -> int:
        """Largest file in bytes."""
        return self.upload_mb * MEGABYTE
