"""Putting the server together, and running it until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from a2m2.errors import ConfigError
from a2m2.recognize import Recognizer
from a2m2.web.guard import add_headers, guard
from a2m2.web.jobs import JobPool
from a2m2.web.limits import MEGABYTE, Limits
from a2m2.web.routes import POOL, SESSIONS, routes
from a2m2.web.sessions import Sessions

SWEEP_SECONDS = 2.0
LARGEST_JSON = MEGABYTE // 10
"""Bytes of a request that is no upload; uploads are read piece by piece and have their own limit."""


def make_app(
    template: Recognizer,
    limits: Limits,
    *,
    host: str = "127.0.0.1",
    clock: Callable[[], float] = time.monotonic,
    sweep_seconds: float = SWEEP_SECONDS,
) -> web.Application:
    """The server, not yet running.

    Args:
        template: what every session starts with: a recogniser with something enrolled, or only what to see with.
        limits: what is refused.
        host: the name or address that it will be bound to.
        clock: seconds that only grow.
        sweep_seconds: between two looks for sessions whose time is up.
    """
    app = web.Application(middlewares=[guard(host)], client_max_size=LARGEST_JSON)
    app.add_routes(routes())
    app.on_response_prepare.append(add_headers)

    async def keep_sessions(app: web.Application) -> AsyncIterator[None]:
        app[SESSIONS] = sessions = Sessions(template, limits, clock=clock)
        app[POOL] = pool = JobPool(limits.jobs)
        sweeper = asyncio.create_task(_sweep(sessions, sweep_seconds))
        yield
        sweeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sweeper
        await sessions.close_all()
        await asyncio.to_thread(pool.close)

    app.cleanup_ctx.append(keep_sessions)
    return app


async def _sweep(sessions: Sessions, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        await sessions.sweep()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one.

    Raises:
        ConfigError: nobody may listen there.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"cannot listen on {host}, port {port} ({reason}); choose another with --port, or --port 0 for a free one"
        ) from None


def serve(app: web.Application, listening: socket.socket) -> None:
    """Run until Ctrl-C or SIGTERM; then every session is closed and its folder removed."""
    web.run_app(app, sock=listening, print=lambda *_: None, access_log=None, shutdown_timeout=2.0)
