"""The clips of one person, sorted into classes: frozen values, each change gives a new one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from a2m2.recognition_records import UNKNOWN
from a2m2.web.refusals import Refusal

LONGEST_NAME = 60

Found = TypeVar("Found")


@dataclass(frozen=True)
class WebClip:
    """One clip.

    Attributes:
        key: names it in addresses; random.
        name: what its owner calls it.
        seconds: its length.
        thumbnails: JPEG files.
        path: the uploaded file; None when the clip came with a model.
        row: its position in that model; None when it was uploaded.
    """

    key: str
    name: str
    seconds: float
    thumbnails: tuple[bytes, ...] = field(repr=False)
    path: Path | None = None
    row: int | None = None


@dataclass(frozen=True)
class WebClass:
    """A class and its clips."""

    key: str
    name: str
    clips: tuple[WebClip, ...] = ()


@dataclass(frozen=True)
class Collection:
    """All classes, in the order in which they were made."""

    classes: tuple[WebClass, ...] = ()

    def clips(self) -> Iterator[tuple[WebClass, WebClip]]:
        """Every clip with its class."""
        for one in self.classes:
            for clip in one.clips:
                yield one, clip

    @property
    def num_clips(self) -> int:
        """Clips in all classes."""
        return sum(len(one.clips) for one in self.classes)

    def find_class(self, key: str) -> WebClass:
        """The class called ``key``.

        Raises:
            Refusal: there is none.
        """
        return _only((one for one in self.classes if one.key == key), "class")

    def find_clip(self, key: str) -> WebClip:
        """The clip called ``key``.

        Raises:
            Refusal: there is none.
        """
        return _only((clip for _, clip in self.clips() if clip.key == key), "clip")

    def with_class(self, key: str, name: str) -> Collection:
        """One class more.

        Raises:
            Refusal: a name that cannot be used, or is taken.
        """
        return replace(self, classes=(*self.classes, WebClass(key, self._free_name(name, key))))

    def renamed(self, key: str, name: str) -> Collection:
        """A class under another name.

        Raises:
            Refusal: no such class, or a name that cannot be used.
        """
        return self._changed(replace(self.find_class(key), name=self._free_name(name, key)))

    def without_class(self, key: str) -> Collection:
        """One class less, its clips with it."""
        gone = self.find_class(key)
        return replace(self, classes=tuple(one for one in self.classes if one is not gone))

    def with_clip(self, class_key: str, clip: WebClip) -> Collection:
        """One clip more; a name that its class has already gets a number."""
        owner = self.find_class(class_key)
        named = replace(clip, name=_numbered(clip.name, {other.name for other in owner.clips}))
        return self._changed(replace(owner, clips=(*owner.clips, named)))

    def without_clip(self, key: str) -> Collection:
        """One clip less."""
        gone = self.find_clip(key)
        owner = next(one for one in self.classes if gone in one.clips)
        return self._changed(replace(owner, clips=tuple(clip for clip in owner.clips if clip is not gone)))

    def _changed(self, changed: WebClass) -> Collection:
        return replace(
            self, classes=tuple(changed if one.key == changed.key else one for one in self.classes)
        )

    def _free_name(self, name: str, key: str) -> str:
        checked = plain_name(name)
        if not checked:
            raise Refusal("a class needs a name; type one, such as jump")
        if checked == UNKNOWN:
            raise Refusal(
                f"a class cannot be called “{UNKNOWN}”: that is the answer for clips of no class; choose another name"
            )
        if any(one.name == checked and one.key != key for one in self.classes):
            raise Refusal(f"there is a class “{checked}” already; choose another name")
        return checked


def plain_name(text: str) -> str:
    """A name for people: the last part of a path, printable, with single spaces, at most 60 characters."""
    last = text.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    printable = "".join(letter if letter.isprintable() else " " for letter in last)
    words = " ".join(printable.split())
    if len(words) <= LONGEST_NAME:
        return words
    half = (LONGEST_NAME - 1) // 2
    return f"{words[:half]}…{words[-half:]}"


def _numbered(name: str, taken: set[str]) -> str:
    candidates = (name if number == 1 else f"{name} ({number})" for number in range(1, len(taken) + 2))
    return next(candidate for candidate in candidates if candidate not in taken)


def _only(found: Iterable[Found], what: str) -> Found:
    for one in found:
        return one
    raise Refusal(f"this {what} is not there any more; reload the page", status=404)
