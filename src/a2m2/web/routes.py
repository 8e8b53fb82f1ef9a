"""The addresses of the server, each with a short handler."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from a2m2.recognize.tabular import as_csv, as_json
from a2m2.spotting import tabular as segments
from a2m2.spotting.subtitles import webvtt
from a2m2.web.answers import ClipAnswer, Side, answer_detail, as_rows
from a2m2.web.collection import WebClip, plain_name
from a2m2.web.enrolling import new_key
from a2m2.web.jobs import JobPool
from a2m2.web.recordings import RecordingAnswer
from a2m2.web.refusals import Refusal
from a2m2.web.sessions import Session, Sessions
from a2m2.web.state import clip_state, session_state
from a2m2.web.uploads import see_clip, stored
from a2m2.web.work import Question, check_free, check_ready, start_answering, start_enrolling

PAGE = Path(__file__).parent / "page"
SESSIONS = web.AppKey("sessions", Sessions)
POOL = web.AppKey("pool", JobPool)

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

SessionHandler = Callable[[web.Request, Session], Awaitable[web.StreamResponse]]


def routes() -> list[web.RouteDef]:
    """All of them."""
    own = of_session
    return [
        web.get("/", _index),
        web.get("/page/{name}", _page_file),
        web.post("/api/session", _open_session),
        web.delete("/api/session", own(_close_session)),
        web.post("/api/leave", own(_leave)),
        web.get("/api/state", own(_state)),
        web.post("/api/classes", own(_add_class)),
        web.patch("/api/classes/{key}", own(_rename_class)),
        web.delete("/api/classes/{key}", own(_remove_class)),
        web.put("/api/classes/{key}/clips", own(_upload_clip)),
        web.delete("/api/clips/{key}", own(_remove_clip)),
        web.get("/api/clips/{key}/{index:\\d+}", own(_clip_picture)),
        web.post("/api/enrol", own(_enrol)),
        web.put("/api/queries", own(_upload_query)),
        web.get("/api/answers/{key}", own(_answer)),
        web.get("/api/answers/{key}/{side:query|support}/{index:\\d+}", own(_answer_picture)),
        web.get("/api/answers/{key}/segments.{kind:csv|json|vtt}", own(_segments)),
        web.get("/api/actions.a2m2", own(_model_file)),
        web.get("/api/results.json", own(_results_json)),
        web.get("/api/results.csv", own(_results_csv)),
    ]


def of_session(handler: SessionHandler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """``handler`` for requests that carry the cookie of a session."""

    async def handle(request: web.Request) -> web.StreamResponse:
        session = _find(request)
        if session is None:
            raise Refusal("this session has ended, its clips are deleted; reload the page", status=401)
        return await handler(request, session)

    return handle


def _find(request: web.Request) -> Session | None:
    return request.app[SESSIONS].find(request.cookies.get(_cookie(request), ""))


def _cookie(request: web.Request) -> str:
    # Cookies do not know ports: two servers on one machine must not take each other's.
    transport = request.transport
    port = transport.get_extra_info("sockname")[1] if transport is not None else 0
    return f"a2m2-{port}"


# --- page and session ---


async def _index(request: web.Request) -> web.StreamResponse:
    return _file(PAGE / "index.html")


async def _page_file(request: web.Request) -> web.StreamResponse:
    # Only what the folder holds, compared by name: nothing is put together from the address.
    name = request.match_info["name"]
    for path in PAGE.iterdir():
        if path.name == name:
            return _file(path)
    raise Refusal("there is no such page", status=404)


def _file(path: Path) -> web.Response:
    return web.Response(body=path.read_bytes(), content_type=_TYPES[path.suffix], charset="utf-8")


async def _open_session(request: web.Request) -> web.StreamResponse:
    session = _find(request)
    fresh = session is None
    if session is None:
        session = request.app[SESSIONS].open()
    sessions = request.app[SESSIONS]
    visit = {"visit": sessions.enter(session)}
    response = web.json_response(session_state(session, sessions.limits) | visit)
    if fresh:
        response.set_cookie(_cookie(request), session.token, httponly=True, samesite="Strict", path="/")
    return response


async def _close_session(request: web.Request, session: Session) -> web.StreamResponse:
    await request.app[SESSIONS].close(session)
    response = web.json_response({})
    response.del_cookie(_cookie(request), path="/")
    return response


async def _leave(request: web.Request, session: Session) -> web.StreamResponse:
    request.app[SESSIONS].leave(session, request.query.get("visit", ""))
    return web.json_response({})


async def _state(request: web.Request, session: Session) -> web.StreamResponse:
    return _state_of(request, session)


def _state_of(request: web.Request, session: Session) -> web.Response:
    return web.json_response(session_state(session, request.app[SESSIONS].limits))


# --- classes and clips ---


async def _add_class(request: web.Request, session: Session) -> web.StreamResponse:
    session.collection = session.collection.with_class(new_key(), await _name_given(request))
    return _state_of(request, session)


async def _rename_class(request: web.Request, session: Session) -> web.StreamResponse:
    name = await _name_given(request)
    session.collection = session.collection.renamed(request.match_info["key"], name)
    return _state_of(request, session)


async def _remove_class(request: web.Request, session: Session) -> web.StreamResponse:
    check_free(session)
    gone = session.collection.find_class(request.match_info["key"])
    session.collection = session.collection.without_class(gone.key)
    for clip in gone.clips:
        _delete(clip)
    return _state_of(request, session)


async def _remove_clip(request: web.Request, session: Session) -> web.StreamResponse:
    check_free(session)
    gone = session.collection.find_clip(request.match_info["key"])
    session.collection = session.collection.without_clip(gone.key)
    _delete(gone)
    return _state_of(request, session)


def _delete(clip: WebClip) -> None:
    if clip.path is not None:
        clip.path.unlink(missing_ok=True)


async def _upload_clip(request: web.Request, session: Session) -> web.StreamResponse:
    limits = request.app[SESSIONS].limits
    owner = session.collection.find_class(request.match_info["key"])
    name = _file_name(request)
    if session.collection.num_clips + session.uploading >= limits.clips:
        raise Refusal(f"a session takes {limits.clips} clips; remove some before you add others")
    session.uploading += 1
    try:
        chunks = request.content.iter_chunked(1 << 16)
        async with stored(chunks, session.folder, name=name, limits=limits) as path:
            seen = await asyncio.to_thread(see_clip, path, name)
            clip = WebClip(new_key(), name, seen.seconds, seen.thumbnails, path=path)
            session.collection = session.collection.with_clip(owner.key, clip)
    finally:
        session.uploading -= 1
    return web.json_response(clip_state(session.collection.find_clip(clip.key)), status=201)


async def _clip_picture(request: web.Request, session: Session) -> web.StreamResponse:
    clip = session.collection.find_clip(request.match_info["key"])
    index = int(request.match_info["index"])
    if index >= len(clip.thumbnails):
        raise Refusal("there is no such picture", status=404)
    return _jpeg(clip.thumbnails[index])


async def _name_given(request: web.Request) -> str:
    try:
        name = (await request.json())["name"]
    except (json.JSONDecodeError, UnicodeDecodeError, LookupError, TypeError):
        name = None
    if not isinstance(name, str):
        raise Refusal('expected a name, as JSON: {"name": "jump"}', status=400)
    return name


def _file_name(request: web.Request) -> str:
    """What the person calls the file: shown again, never used as a path."""
    return plain_name(request.query.get("name", "")) or "clip"


# --- enrolling and asking ---


async def _enrol(request: web.Request, session: Session) -> web.StreamResponse:
    start_enrolling(session, request.app[POOL], template=request.app[SESSIONS].template)
    return _state_of(request, session)


async def _upload_query(request: web.Request, session: Session) -> web.StreamResponse:
    check_free(session)
    check_ready(session)
    name = _file_name(request)
    kind: Question = "search" if request.query.get("kind") == "search" else "recognise"
    limits = request.app[SESSIONS].limits
    session.uploading += 1
    try:
        chunks = request.content.iter_chunked(1 << 16)
        async with stored(chunks, session.folder, name=name, limits=limits) as path:
            start_answering(session, request.app[POOL], path, name=name, kind=kind)
    finally:
        session.uploading -= 1
    return _state_of(request, session)


async def _answer(request: web.Request, session: Session) -> web.StreamResponse:
    return web.json_response(answer_detail(session.find_answer(request.match_info["key"])))


async def _answer_picture(request: web.Request, session: Session) -> web.StreamResponse:
    answer = session.find_answer(request.match_info["key"])
    if not isinstance(answer, ClipAnswer):
        raise Refusal("there is no such picture", status=404)
    side: Side = "query" if request.match_info["side"] == "query" else "support"
    return _jpeg(answer.thumbnail(side, int(request.match_info["index"])))


# --- downloads ---


async def _model_file(request: web.Request, session: Session) -> web.StreamResponse:
    recognizer = check_ready(session)
    path = session.folder / new_key()
    try:
        await asyncio.to_thread(recognizer.save, path)
        body = await asyncio.to_thread(path.read_bytes)
    finally:
        path.unlink(missing_ok=True)
    return _download(body, "actions.a2m2", "application/octet-stream")


async def _results_json(request: web.Request, session: Session) -> web.StreamResponse:
    text = as_json(as_rows(session.answers), top=_num_classes(session))
    return _download(text.encode(), "results.json", "application/json")


async def _results_csv(request: web.Request, session: Session) -> web.StreamResponse:
    text = as_csv(as_rows(session.answers), top=_num_classes(session)) + "\n"
    return _download(text.encode(), "results.csv", "text/csv")


async def _segments(request: web.Request, session: Session) -> web.StreamResponse:
    answer = session.find_answer(request.match_info["key"])
    if not isinstance(answer, RecordingAnswer):
        raise Refusal("there are no segments of this clip", status=404)
    outcomes = [(Path(answer.name), answer.record)]
    kind = request.match_info["kind"]
    if kind == "csv":
        return _download((segments.as_csv(outcomes) + "\n").encode(), "segments.csv", "text/csv")
    if kind == "json":
        return _download(segments.as_json(outcomes).encode(), "segments.json", "application/json")
    return _download(webvtt(answer.record).encode(), "segments.vtt", "text/vtt")


def _num_classes(session: Session) -> int:
    clips = (answer for answer in session.answers if isinstance(answer, ClipAnswer))
    return max((len(answer.explanation.recognition.ranked) for answer in clips), default=1)


def _download(body: bytes, name: str, content_type: str) -> web.Response:
    headers: dict[str, Any] = {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(body=body, content_type=content_type, headers=headers)


def _jpeg(body: bytes) -> web.Response:
    # A picture never changes: its address holds the random key of its clip.
    return web.Response(body=body, content_type="image/jpeg")
