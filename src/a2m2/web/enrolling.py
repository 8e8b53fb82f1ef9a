"""From a person's classes to a recogniser, and from a model file to classes."""

from __future__ import annotations

import secrets
from pathlib import Path

from a2m2.progress import Progress
from a2m2.recognition_records import Label
from a2m2.recognize import Recognizer
from a2m2.web.collection import Collection, WebClass, WebClip
from a2m2.web.refusals import Refusal


def new_key() -> str:
    """A name that nobody guesses."""
    return secrets.token_urlsafe(12)


def recognizer_for(template: Recognizer, cache: Path) -> Recognizer:
    """One that sees as ``template`` does and knows what it knows, with a cache of its own."""
    made = Recognizer(**{**template.get_params(), "cache": cache})
    if template.__sklearn_is_fitted__():
        made.enrolled_ = template.enrolled_
    return made


def collection_of(recognizer: Recognizer) -> Collection:
    """The classes of an opened model, each clip with its place in it; none when nothing is enrolled."""
    if not recognizer.__sklearn_is_fitted__():
        return Collection()
    enrolled = recognizer.enrolled_
    return Collection(
        tuple(
            WebClass(
                new_key(),
                str(label),
                tuple(
                    WebClip(
                        key=new_key(),
                        name=support.name.rsplit("/", 1)[-1],
                        seconds=support.duration_seconds,
                        thumbnails=support.thumbnails,
                        row=row,
                    )
                    for row, support in enumerate(enrolled.supports)
                    if support.label == label
                ),
            )
            for label in enrolled.classes
        )
    )


def check_enough(collection: Collection) -> None:
    """Refuse what cannot be enrolled, before any work is begun.

    Raises:
        Refusal: no class, or one without clips.
    """
    if not collection.classes:
        raise Refusal("there is no class yet; add one and drop clips into it")
    empty = [one.name for one in collection.classes if not one.clips]
    if empty:
        raise Refusal(f"there is no clip in {', '.join(empty)}; drop some into it, or remove the class")


def enrol_collection(
    template: Recognizer, collection: Collection, *, cache: Path, progress: Progress
) -> Recognizer:
    """A recogniser of these classes.

    Clips that came with the template's model keep their descriptors: their videos are not at hand, so reduction and
    mean stay as they are. Without such clips everything is fitted on what was uploaded.

    Raises:
        UndecodableError: uploaded files that can no longer be decoded.
    """
    labels: dict[int, Label] = {}
    paths: list[Path] = []
    added: list[str] = []
    names: list[str] = []
    for one, clip in collection.clips():
        if clip.row is not None:
            labels[clip.row] = one.name
        elif clip.path is not None:
            paths.append(clip.path)
            added.append(one.name)
            names.append(f"{one.name}/{clip.name}")
    made = recognizer_for(template, cache)
    if not template.__sklearn_is_fitted__():
        return made.fit(paths, added, names=names, progress=progress)
    rows = range(len(template.enrolled_.supports))
    return made.rearrange([labels.get(row) for row in rows], paths, added, names=names, progress=progress)
