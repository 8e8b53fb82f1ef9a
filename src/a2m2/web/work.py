"""What a session asks for that takes long: begun at once, done in a thread, its result put back into the session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from a2m2.progress import Progress
from a2m2.recognize import Recognizer
from a2m2.web.answers import WebAnswer, answer_clip
from a2m2.web.enrolling import check_enough, enrol_collection, new_key
from a2m2.web.jobs import Job, JobPool, Result
from a2m2.web.recordings import search_recording
from a2m2.web.refusals import Refusal, in_plain_words
from a2m2.web.sessions import Session

Question = Literal["recognise", "search"]

MOST_ANSWERS = 100
"""Answers that a session keeps; the oldest go first."""


def check_free(session: Session) -> None:
    """Refuse a second piece of work.

    Raises:
        Refusal: one is under way.
    """
    if session.job is not None:
        raise Refusal("something is being worked on; wait until it is done", status=409)


def check_ready(session: Session) -> Recognizer:
    """The recogniser of a session.

    Raises:
        Refusal: nothing is enrolled yet.
    """
    if session.recognizer is None:
        raise Refusal("nothing is enrolled yet; drop clips into classes and enrol them first")
    return session.recognizer


def start_enrolling(session: Session, pool: JobPool, *, template: Recognizer) -> None:
    """Enrol the classes as they stand.

    Raises:
        Refusal: work is under way, or there is too little to enrol.
    """
    check_free(session)
    collection = session.collection
    check_enough(collection)

    def work(progress: Progress) -> Recognizer:
        return enrol_collection(template, collection, cache=session.cache, progress=progress)

    def settle(recognizer: Recognizer) -> None:
        session.recognizer, session.enrolled_collection = recognizer, collection

    _start(session, pool, Job("enrol"), work, settle, session.names)


def start_answering(session: Session, pool: JobPool, path: Path, *, name: str, kind: Question) -> None:
    """Recognise an uploaded clip, or search an uploaded recording; the file is removed afterwards.

    Raises:
        Refusal: work is under way, or nothing is enrolled.
    """
    check_free(session)
    recognizer = check_ready(session)
    answer = answer_clip if kind == "recognise" else search_recording

    def work(progress: Progress) -> WebAnswer:
        try:
            return answer(recognizer, path, key=new_key(), name=name, progress=progress)
        finally:
            path.unlink(missing_ok=True)

    def settle(found: WebAnswer) -> None:
        session.answers = (*session.answers, found)[-MOST_ANSWERS:]

    _start(session, pool, Job(kind, name), work, settle, {path: name})


def _start(
    session: Session,
    pool: JobPool,
    job: Job,
    work: Callable[[Progress], Result],
    settle: Callable[[Result], None],
    names: dict[Path, str],
) -> None:
    session.job, session.problem = job, ""

    async def run() -> None:
        outcome = await pool.run(job, work)
        session.job = None
        if outcome.error is not None:
            if not session.closed:
                session.problem = in_plain_words(outcome.error, names)
        elif outcome.value is not None:
            settle(outcome.value)

    session.task = asyncio.get_running_loop().create_task(run())
