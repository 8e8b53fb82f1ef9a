"""An in-process web app with a browser's cookie jar for each person, on tiny clips."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer

from a2m2.recognize import Recognizer
from a2m2.video import write_clip
from a2m2.web.limits import Limits
from a2m2.web.server import make_app
from tiny_clips import moving_square


class Clock:
    """Seconds that only a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Person:
    """Somebody with a browser of their own."""

    def __init__(self, server: TestServer) -> None:
        self.client: TestClient = TestClient(server, cookie_jar=CookieJar(unsafe=True))

    async def ask(self, method: str, path: str, *, status: int = 200, **options: Any) -> Any:
        """The JSON of an answer whose status is as expected."""
        async with self.client.request(method, path, **options) as response:
            assert response.status == status, (response.status, await response.text())
            return await response.json()

    async def enter(self) -> dict[str, Any]:
        return await self.ask("POST", "/api/session")

    async def add_class(self, name: str) -> str:
        """Its key."""
        state = await self.ask("POST", "/api/classes", json={"name": name})
        return next(one["key"] for one in state["classes"] if one["name"] == name)

    async def upload(self, class_key: str, name: str, body: bytes, *, status: int = 201) -> Any:
        path = f"/api/classes/{class_key}/clips"
        return await self.ask("PUT", path, status=status, params={"name": name}, data=body)

    async def idle(self) -> dict[str, Any]:
        """The state once nothing is worked on."""
        while (state := await self.ask("GET", "/api/state"))["job"] is not None:
            await asyncio.sleep(0.02)
        return state

    async def enrol(self) -> dict[str, Any]:
        await self.ask("POST", "/api/enrol")
        return await self.idle()

    async def query(self, name: str, body: bytes, *, kind: str = "recognise") -> dict[str, Any]:
        await self.ask("PUT", "/api/queries", params={"name": name, "kind": kind}, data=body)
        return await self.idle()

    async def teach(self, *classes: str, clips: int = 3) -> dict[str, Any]:
        """Classes of moving squares, uploaded and enrolled."""
        for name in classes:
            key = await self.add_class(name)
            for seed in range(clips):
                await self.upload(key, f"{name}-{seed}.mp4", square(name, seed))
        return await self.enrol()


@functools.cache
def square(name: str, seed: int) -> bytes:
    """A video file of a moving square."""
    return video(moving_square(name, seed))


def video(frames: np.ndarray) -> bytes:
    """A video file of frames."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_clip(path, frames)
        return path.read_bytes()


@contextlib.asynccontextmanager
async def served(
    *,
    template: Recognizer | None = None,
    limits: Limits | None = None,
    clock: Clock | None = None,
    people: int = 1,
) -> AsyncIterator[tuple[Person, ...]]:
    """People at one server, each with a session."""
    template = Recognizer(num_frames=4, size=48, num_threads=1) if template is None else template
    app = make_app(
        template,
        Limits() if limits is None else limits,
        clock=Clock() if clock is None else clock,
        sweep_seconds=0.02,
    )
    async with TestServer(app) as server:
        crowd = tuple(Person(server) for _ in range(people))
        try:
            for person in crowd:
                await person.enter()
            yield crowd
        finally:
            for person in crowd:
                await person.client.session.close()


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """A scenario, to its end."""

    async def whole() -> None:
        await scenario()

    asyncio.run(whole())
