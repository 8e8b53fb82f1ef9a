"""The rule that finds a listed video on disk, as a loop over all files for each line."""

from __future__ import annotations

from pathlib import PurePosixPath


def plain(name: str) -> str:
    """Letters and digits of a name, with a bar where something stood between two digits."""
    out: list[str] = []
    gap = False
    for letter in name.casefold():
        if not letter.isalnum():
            gap = True
            continue
        if gap and out and out[-1].isdigit() and letter.isdigit():
            out.append("|")
        out.append(letter)
        gap = False
    return "".join(out)


def candidates(class_name: str, video: str, files: list[str], classes: set[str]) -> list[str]:
    """Files that ``class/video`` may mean: equal names before alike ones, then the folder of the class.

    For lists in which no two classes share a video name.
    """
    places = [PurePosixPath(file) for file in files]
    named = [place for place in places if place.stem == video]
    named = named or [place for place in places if plain(place.stem) == plain(video)]
    folders = {plain(part) for place in places for part in place.parent.parts}
    mine, others = plain(class_name), {plain(name) for name in classes} - {plain(class_name)}
    allowed = []
    for place in named:
        here = {plain(part) for part in place.parent.parts}
        if mine in here or (mine not in folders and not here & others):
            allowed.append(place)
    inside = [place for place in allowed if mine in {plain(part) for part in place.parent.parts}]
    allowed = inside or allowed
    tail = [place for place in allowed if (place.parent.name, place.stem) == (class_name, video)]
    return [str(place) for place in tail or allowed]
