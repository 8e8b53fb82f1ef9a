"""One session a browser: its clips, its recogniser, its answers, and a folder that goes with it."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from a2m2.recognize import Recognizer
from a2m2.web.answers import WebAnswer
from a2m2.web.collection import Collection
from a2m2.web.enrolling import collection_of, recognizer_for
from a2m2.web.jobs import Job
from a2m2.web.limits import Limits
from a2m2.web.refusals import Refusal


class Session:
    """What one browser has put in and got out. Touched by the event loop only.

    Attributes:
        token: secret; the browser's cookie.
        folder: uploads and features; nobody else's, removed with the session.
        collection: the classes as they stand.
        recognizer: what was enrolled last; None before.
        enrolled_collection: the classes when that was done: where they differ, the recogniser is out of date.
        job: what is being done; None when nothing is.
        problem: why the last job came to nothing; empty when it did not.
        answers: oldest first.
        uploading: clips on their way, which count against the limit.
        last_seen: when it last asked for something, in seconds of the clock.
        visits: its open pages, each by a name of its own: several tabs share a session.
        left: when the last of them was left; None while one is open.
    """

    def __init__(self, token: str, folder: Path, template: Recognizer, now: float) -> None:
        self.token = token
        self.folder = folder
        self.cache = folder / "cache"
        self.collection: Collection = collection_of(template)
        known = template.__sklearn_is_fitted__()
        self.recognizer: Recognizer | None = recognizer_for(template, self.cache) if known else None
        self.enrolled_collection: Collection | None = self.collection if known else None
        self.job: Job | None = None
        self.task: asyncio.Task[None] | None = None
        self.problem = ""
        self.answers: tuple[WebAnswer, ...] = ()
        self.uploading = 0
        self.last_seen = now
        self.visits: set[str] = set()
        self.left: float | None = None
        self.closed = False

    @property
    def names(self) -> dict[Path, str]:
        """The person's names for the files of the session."""
        return {clip.path: clip.name for _, clip in self.collection.clips() if clip.path is not None}

    def find_answer(self, key: str) -> WebAnswer:
        """The answer called ``key``.

        Raises:
            Refusal: there is none.
        """
        for answer in self.answers:
            if answer.key == key:
                return answer
        raise Refusal("this answer is not there any more; reload the page", status=404)


class Sessions:
    """All sessions of a server, and the folder that holds theirs.

    Args:
        template: what a new session starts with.
        limits: how many, and for how long.
        clock: seconds that only grow.
    """

    def __init__(self, template: Recognizer, limits: Limits, *, clock: Callable[[], float]) -> None:
        self.template = template
        self.limits = limits
        self._clock = clock
        # mkdtemp makes folders that only their owner may enter.
        self.folder = Path(tempfile.mkdtemp(prefix="a2m2-serve-"))
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self) -> Session:
        """A new session.

        Raises:
            Refusal: there are as many as there may be.
        """
        if len(self._sessions) >= self.limits.sessions:
            raise Refusal(
                "as many people as this server takes are using it at the moment; try again later", status=503
            )
        token = secrets.token_urlsafe(32)
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        session = Session(token, folder, self.template, self._clock())
        self._sessions[token] = session
        return session

    def find(self, token: str) -> Session | None:
        """The session of a cookie, from now on seen; None when there is none, or no longer."""
        session = self._sessions.get(token)
        if session is not None:
            session.last_seen = self._clock()
        return session

    def enter(self, session: Session) -> str:
        """A page was opened; returns its name."""
        visit = secrets.token_urlsafe(8)
        session.visits.add(visit)
        session.left = None
        return visit

    def leave(self, session: Session, visit: str) -> None:
        """A page was left: with the last one the session goes soon, unless a page comes back."""
        session.visits.discard(visit)
        if not session.visits:
            session.left = self._clock()

    async def close(self, session: Session) -> None:
        """End a session: its work is stopped, its folder removed."""
        self._sessions.pop(session.token, None)
        session.closed = True
        if session.job is not None:
            session.job.cancelled = True
        if session.task is not None:
            # The thread may be writing features: the folder goes after it.
            await asyncio.wait([session.task])
        await asyncio.to_thread(shutil.rmtree, session.folder, ignore_errors=True)

    async def sweep(self) -> None:
        """Close the sessions whose time is up."""
        now = self._clock()
        idle = 60 * self.limits.idle_minutes
        for session in list(self._sessions.values()):
            working = session.job is not None or session.uploading > 0
            gone = session.left is not None and now - session.left > self.limits.leave_seconds
            if gone or (not working and now - session.last_seen > idle):
                await self.close(session)

    async def close_all(self) -> None:
        """End every session and remove the folder."""
        await asyncio.gather(*(self.close(session) for session in list(self._sessions.values())))
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)
