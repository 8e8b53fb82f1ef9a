"""A session as the page shows it: plain values, no path among them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from a2m2.recognize import LeaveOneOut, Recognizer
from a2m2.recognize.in_words import report_lines
from a2m2.web.answers import answer_summary
from a2m2.web.collection import Collection, WebClip
from a2m2.web.jobs import Job
from a2m2.web.limits import Limits
from a2m2.web.sessions import Session


def session_state(session: Session, limits: Limits) -> dict[str, Any]:
    """Everything that the page draws from."""
    return {
        "classes": _classes(session.collection),
        "model": None if session.recognizer is None else _model(session, session.recognizer),
        "job": None if session.job is None else _job(session.job),
        "problem": session.problem,
        "answers": [answer_summary(answer) for answer in reversed(session.answers)],
        "limits": {
            "upload_bytes": limits.upload_bytes,
            "upload_mb": limits.upload_mb,
            "clips": limits.clips,
            "idle_minutes": limits.idle_minutes,
        },
    }


def clip_state(clip: WebClip) -> dict[str, Any]:
    """One clip and where its pictures are."""
    return {
        "key": clip.key,
        "name": clip.name,
        "seconds": clip.seconds,
        "pictures": [f"api/clips/{clip.key}/{index}" for index in range(len(clip.thumbnails))],
    }


def _classes(collection: Collection) -> list[dict[str, Any]]:
    return [
        {"key": one.key, "name": one.name, "clips": [clip_state(clip) for clip in one.clips]}
        for one in collection.classes
    ]


def _model(session: Session, recognizer: Recognizer) -> dict[str, Any]:
    report = recognizer.report_
    return {
        "current": session.collection == session.enrolled_collection,
        "num_clips": report.num_clips,
        "accuracy": report.accuracy,
        "num_tested": report.num_tested,
        "classes": [_class_report(report, position) for position in range(len(report.classes))],
        "lines": report_lines(report),
    }


def _class_report(report: LeaveOneOut, position: int) -> dict[str, Any]:
    entry = report.classes[position]
    taken = [
        {"label": str(confusion.taken_for), "count": confusion.count}
        for confusion in report.confusions
        if confusion.label == entry.label
    ]
    return {**asdict(entry), "label": str(entry.label), "taken_for": taken}


def _job(job: Job) -> dict[str, Any]:
    return {
        "kind": job.kind,
        "subject": job.subject,
        "step": job.step,
        "done": job.done,
        "total": job.total,
    }
