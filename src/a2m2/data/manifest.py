"""From a folder or a manifest to a :class:`Dataset`.

Two inputs are read, with the same result:

* **A folder**: ``ROOT/CLASS/clip.mp4`` or ``ROOT/SPLIT/CLASS/clip.mp4``, where a clip may also be a folder of
  jpg or png frames (:mod:`a2m2.data.folders` says what a clip is). Depth alone decides: three levels mean
  that the first is a split, whatever its name. Clips at different depths are an error, and so are clips
  directly inside folders that are all named like splits, since then the classes are missing.
* **A manifest**: a CSV file with the header ``path,class,split``; ``split`` may be left out, and the columns
  ``source`` and ``digest`` may follow: they tell people where a video came from and are not read here. Paths
  are absolute or start at the manifest's own folder. Names in records are relative to that folder when all
  videos lie in it, else to the deepest folder that holds all of them, so that no record holds a path of one
  machine.

A video that is listed twice, or reached by two links, is an error: it could be support and query at once, or
be trained and tested on. Pooled splits may share class names: a class is its name, so such classes become
one.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path

from a2m2.checks import nearest_path
from a2m2.data.folders import VIDEO_SUFFIXES, FoundClip, annotation_beside, find_clips, frame_files
from a2m2.data.videos import Dataset, VideoRecord
from a2m2.errors import DataError
from a2m2.reading import nearest_names, read_text, shorten

COLUMNS = ("path", "class", "split", "source", "digest")
"""Columns a manifest may have; the first two are required."""

_SPLIT_NAMES = frozenset(
    ("train", "training", "val", "valid", "validation", "dev", "test", "testing", "eval", "evaluation")
)
_CURE = "save it as CSV in UTF-8"
_LAYOUT = "ROOT/CLASS/clip.mp4 or ROOT/SPLIT/CLASS/clip.mp4"


def load_dataset(root: str | Path, *, splits: Sequence[str] = ()) -> Dataset:
    """The videos in a folder or manifest, or those of some of its splits.

    Videos are named but not opened. Files that are missing and folders that are empty matter only in the
    splits asked for; a video that appears twice matters anywhere.

    Args:
        root: folder of class folders, or CSV manifest.
        splits: names of the splits to pool; all videos when empty.

    Raises:
        DataError: the layout cannot be read in one way only; the message names the file or folder at fault.
    """
    root = Path(root)
    splits = (splits,) if isinstance(splits, str) else tuple(splits)
    if root.is_dir():
        return _from_folder(root, splits)
    if root.suffix.lower() == ".csv" and root.is_file():
        return _from_manifest(root, splits)
    if root.exists():
        raise DataError(f"{root} is a file; give a folder of class folders or a manifest that ends in .csv")
    raise DataError(f"no folder or manifest {root}; {nearest_path(root) or 'check the path'}")


def _from_folder(root: Path, splits: Sequence[str]) -> Dataset:
    found = find_clips(root)
    if found.broken:
        raise DataError(f"{found.broken[0]} is a link to a missing file; mend or remove it")
    if not found.clips:
        if frame_files(root):
            raise DataError(f"{root} holds images but no class folders; expected {_LAYOUT}")
        known = " ".join(sorted(suffix[1:] for suffix in VIDEO_SUFFIXES))
        raise DataError(
            f"no videos in {root}; expected {_LAYOUT} (one of {known}, or a folder of jpg or png frames)"
        )
    has_splits = _has_splits(root, found.clips)
    videos = [
        VideoRecord(
            name="/".join(clip.parts),
            path=root.joinpath(*clip.parts),
            class_name=clip.parts[-2],
            split=clip.parts[0] if has_splits else "",
            annotation=clip.annotation,
        )
        for clip in found.clips
    ]
    dataset = Dataset(
        root.resolve().name or "videos", root, tuple(sorted(videos, key=lambda video: video.name))
    )
    empty = [name for name in found.empty if not (has_splits and splits) or name.split("/")[0] in splits]
    if empty:
        raise DataError(
            f"{root}: no videos in {_some(empty)}; add clips or remove the folders that hold none"
        )
    chosen = dataset.select(splits)
    _check_files(dataset, chosen, root)
    return chosen


def _has_splits(root: Path, clips: Sequence[FoundClip]) -> bool:
    """Whether the clips lie as SPLIT/CLASS/clip (True) or as CLASS/clip (False)."""
    first = {len(clip.parts): "/".join(clip.parts) for clip in reversed(clips)}
    if 1 in first:
        raise DataError(
            f"{first[1]} lies directly in {root}; put clips into folders named after their classes"
        )
    if max(first) > 3:
        raise DataError(f"{first[max(first)]} lies too deep in {root}; expected {_LAYOUT}")
    if len(first) > 1:
        raise DataError(
            f"clips at two depths in {root}: {first[2]} and {first[3]}; keep CLASS/clip or SPLIT/CLASS/clip"
        )
    tops = sorted({clip.parts[0] for clip in clips})
    if 2 in first and all(top.lower() in _SPLIT_NAMES for top in tops):
        raise DataError(
            f"{_some(tops)} in {root} look like splits but hold no class folders; expected {_LAYOUT}"
        )
    return 3 in first


def _from_manifest(path: Path, splits: Sequence[str]) -> Dataset:
    base = Path(os.path.abspath(path.parent))
    rows = _read_rows(path)
    places: dict[Path, tuple[int, dict[str, str]]] = {}
    for line, row in rows:
        # A path may keep two slashes at its beginning, which mean something else to some systems.
        place = Path(os.path.normpath(re.sub("^/+", "/", os.path.join(base, row["path"]))))
        if not place.name:
            raise DataError(f"{path} line {line}: the path is that of a file system; name a clip")
        if place in places:
            raise DataError(_repeated(path, row, line, *places[place]))
        places[place] = line, row
    root = base
    if not all(place.is_relative_to(base) for place in places):
        root = Path(os.path.commonpath([place.parent for place in places]))
    videos = [
        VideoRecord(
            place.relative_to(root).as_posix(), place, row["class"], row["split"], annotation_beside(place)
        )
        for place, (_, row) in places.items()
    ]
    name = base.name if path.stem.lower() == "manifest" else path.stem
    dataset = Dataset(name or "videos", root, tuple(sorted(videos, key=lambda video: video.name)))
    chosen = dataset.select(splits)
    _check_files(dataset, chosen, path)
    for video in chosen.videos:
        if os.path.isdir(video.path) and not frame_files(video.path):
            raise DataError(f"{path}: {video.name} is a folder without jpg or png frames; name a clip")
    return chosen


def _read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Line number and cells of each video in a manifest, checked but for the files themselves."""
    try:
        text = read_text(path, error=DataError, what="the manifest ", cure=_CURE)
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except (OSError, csv.Error) as error:
        raise DataError(f"cannot read the manifest {path}: {error}; {_CURE}") from None
    header = [name.lower() for name in lines[0][1]] if lines else []
    _check_header(path, header)
    if len(lines) == 1:
        raise DataError(f"{path} lists no videos; add a line for each")
    rows = []
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise DataError(
                f"{path} line {line}: expected {len(header)} cells, got {len(cells)}; correct the line"
            )
        row = {"split": "", **dict(zip(header, cells, strict=True))}
        for column in ("path", "class"):
            if not row[column]:
                raise DataError(f"{path} line {line}: the {column} is empty; fill it in")
        rows.append((line, row))
    unsplit = [line for line, row in rows if not row["split"]]
    if unsplit and len(unsplit) < len(rows):
        raise DataError(
            f"{path} line {unsplit[0]}: the split is empty although other lines have one; fill it in"
        )
    return rows


def _check_header(path: Path, header: Sequence[str]) -> None:
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        raise DataError(f"{path}: expected the header path,class,split; separate the columns by commas")
    for column in header:
        if column not in COLUMNS:
            nearest = nearest_names(column, COLUMNS, cutoff=0.6)
            hint = f"did you mean '{nearest[0]}'?" if nearest else f"known are {', '.join(COLUMNS)}"
            raise DataError(f"{path}: unknown column '{shorten(column)}'; {hint}")
    if not {"path", "class"} <= set(header) or len(set(header)) < len(header):
        got = shorten(",".join(header)) or "nothing"
        raise DataError(f"{path}: expected the header path,class,split, got {got}; correct the first line")


def _repeated(path: Path, row: dict[str, str], line: int, first_line: int, first: dict[str, str]) -> str:
    where = f"{path} lines {first_line} and {line}: {shorten(row['path'])}"
    for column, plural in (("split", "splits"), ("class", "classes")):
        if row[column] != first[column]:
            return (
                f"{where} is in two {plural}, {shorten(first[column])} and {shorten(row[column])}; keep one"
            )
    return f"{where} is listed twice; remove one of them"


def _check_files(dataset: Dataset, chosen: Dataset, source: Path) -> None:
    """Refuse missing files among ``chosen``, and files reached under two names anywhere."""
    required = set(chosen.video_names)
    missing: list[str] = []
    seen: dict[tuple[int, int, int, int], VideoRecord] = {}
    for video in dataset.videos:
        try:
            status = video.path.stat()
        except OSError:
            missing.append(video.name)
            continue
        # Size and time guard against file systems that hand out inode numbers more than once.
        identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        twin = seen.setdefault(identity, video)
        if twin is not video and status.st_ino:
            splits = f" in splits {twin.split} and {video.split}" if twin.split != video.split else ""
            raise DataError(
                f"{source}: {twin.name} and {video.name} are the same file{splits}; keep one of them"
            )
    missing = [name for name in missing if name in required]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(chosen)} videos in {source} are missing: {_some(missing)}; "
            f"check their paths (they were looked for in {dataset.root})"
        )


def _some(names: Sequence[str], limit: int = 3) -> str:
    """The first few names and how many more there are."""
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(map(shorten, names[:limit])) + rest
