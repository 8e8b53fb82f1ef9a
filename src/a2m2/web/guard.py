"""What stands before every request: who may ask, from which page, and what every answer says to the browser."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from a2m2.web.refusals import Refusal

HEADERS = {
    # Video that the page plays is the person's own file, which never leaves the browser for that: blob.
    "Content-Security-Policy": (
        "default-src 'self'; media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def is_own_host(host: str, own: str) -> bool:
    """Whether a Host header names this server.

    A foreign page can make its own name point here (DNS rebinding), but not an address: addresses, ``localhost`` and
    the name that the server was bound to are its own.

    Args:
        host: of the request, a port may follow.
        own: what the server was bound to.
    """
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:  # such as a bracket that is not closed
        return False
    if name is None:
        return False
    if name in ("localhost", own.lower()):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_same_origin(request: web.Request) -> bool:
    """Whether a request comes from the server's own page, or from no page at all."""
    origin = request.headers.get("Origin")
    if origin is not None:
        return origin.partition("://")[2] == request.host
    return request.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none")


def guard(own: str) -> Middleware:
    """The middleware of a server bound to ``own``."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if not is_own_host(request.headers.get("Host", ""), own):
                raise Refusal("this server is not known by that name; use the address it printed", status=421)
            if request.method not in ("GET", "HEAD") and not is_same_origin(request):
                raise Refusal("this was asked by another site's page", status=403)
            return await handler(request)
        except Refusal as refusal:
            return web.json_response({"error": str(refusal)}, status=refusal.status)
        except web.HTTPException as error:
            return web.json_response({"error": error.reason}, status=error.status)

    return guarded


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """A signal that puts :data:`HEADERS` on every answer."""
    response.headers.update(HEADERS)
