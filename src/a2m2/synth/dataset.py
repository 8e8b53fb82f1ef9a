"""A synthetic data set on disk: H.264 clips in ``split/class`` folders, each with its ground truth beside it.

    OUT/synth.json                      settings, digests, and the definition of every class
    OUT/test/right-grow-appear/00007.mp4
    OUT/test/right-grow-appear/00007.json   when each sub-action happens

A clip's JSON is written last, under another name and then renamed: where it stands, its clip is complete.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from a2m2.checks import is_filled, write_text_atomic
from a2m2.errors import ConfigError, OutputError
from a2m2.reading import mapping_of, parse_json, read_text, shorten
from a2m2.synth.classes import ClassDefinition, definitions_digest, draw_classes
from a2m2.synth.clip import make_clip
from a2m2.synth.settings import SynthConfig
from a2m2.video import write_clip
from a2m2.workers import begin_worker

VERSION = "synth-v1"
"""Names the generator: it changes whenever the same settings would give other clips."""

MANIFEST = "synth.json"
_CURE = "choose a new folder"
_CLIPS_PER_TASK = 8
# Settings that say how much of a data set is written, not what it is: a folder may grow in these.
_EXTENT = frozenset({"clips_per_class", "splits"})


@dataclass(frozen=True)
class Generated:
    """What :func:`generate` did.

    Attributes:
        num_written: clips rendered now.
        num_kept: clips that were complete already.
    """

    num_written: int
    num_kept: int


def plan(config: SynthConfig, out: str | Path) -> str:
    """What :func:`generate` would write, in a few lines."""
    classes = _wanted(config)
    counts = ", ".join(f"{sum(c.split == split for c in classes)} {split}" for split in config.splits)
    seconds = config.num_frames / config.fps
    return "\n".join(
        (
            f"{VERSION}, {config.stratum}, timing {config.timing:g}, order {config.order:g}, "
            f"seed {config.seed}",
            f"{len(classes)} classes ({counts}), {config.clips_per_class} clips each, into {out}",
            f"{config.size}×{config.size} px, {config.num_frames} frames, {seconds:g} s a clip",
        )
    )


def generate(
    out: str | Path,
    config: SynthConfig,
    *,
    num_workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Generated:
    """Write the data set ``config`` into the folder ``out``; complete clips of the same settings are kept.

    A clip depends on the settings, its class and its number alone: not on ``num_workers``,
    ``clips_per_class`` or ``splits``, in which a folder can be extended later. On Ctrl-C nothing half-written
    is left, and the same call goes on where it stopped. With several workers, a script that calls this needs
    the usual ``if __name__ == "__main__":`` guard (processes are spawned).

    Args:
        out: folder, made if missing; empty, or written by an earlier call with the same settings.
        config: the settings.
        num_workers: processes; 1 works in this one.
        progress: called with (clips there, clips in all), first before anything is rendered.

    Raises:
        ValueError: ``num_workers`` < 1.
        OutputError: the folder holds something else or cannot be written.
    """
    if num_workers < 1:
        raise ValueError(f"expected num_workers >= 1, got {num_workers}")
    out = Path(out)
    _claim(out, config)
    classes = _wanted(config)
    tasks = list(_tasks(out, config, classes))
    total = len(classes) * config.clips_per_class
    missing = sum(len(indices) for _, indices in tasks)
    report = progress or (lambda done, total: None)
    report(total - missing, total)
    done = total - missing
    for num_clips in _run(out, config, tasks, num_workers):
        done += num_clips
        report(done, total)
    return Generated(num_written=missing, num_kept=total - missing)


def describe(config: SynthConfig) -> dict[str, Any]:
    """The content of ``synth.json``."""
    classes = draw_classes(config.stratum, config.seed)
    return {
        "version": VERSION,
        "settings": config.model_dump(mode="json"),
        "settings_digest": config.digest(),
        "definitions_digest": definitions_digest(classes),
        "classes": [{"name": c.name, "split": c.split, "sub_actions": list(c.names)} for c in classes],
    }


def _wanted(config: SynthConfig) -> list[ClassDefinition]:
    return [c for c in draw_classes(config.stratum, config.seed) if c.split in config.splits]


def _claim(out: Path, config: SynthConfig) -> None:
    """Make the folder and write its ``synth.json``, or check that it holds clips of the same settings."""
    content = describe(config)
    manifest = out / MANIFEST
    try:
        out.mkdir(parents=True, exist_ok=True)
        if manifest.exists():
            _check_same(manifest, content)
        elif is_filled(out):
            raise OutputError(f"{out} is not empty and holds no {MANIFEST}; choose an empty or new folder")
        _write_json(manifest, content)
    except OSError as error:
        raise OutputError(
            f"cannot write into {out}: {error.strerror}; choose a folder that you may write to"
        ) from error


def _check_same(manifest: Path, content: dict[str, Any]) -> None:
    """Raise if the folder was written with other settings, or holds more clips than asked for."""
    try:
        old = mapping_of(parse_json(read_text(manifest, error=OutputError, cure=_CURE)))
        # Settings that came later were at their defaults.
        there = SynthConfig.build(old["settings"]).model_dump(mode="json")
        asked = dict(content["settings"])
        version = old["version"]
        fewer = asked["clips_per_class"] < there["clips_per_class"] or not set(there["splits"]) <= set(
            asked["splits"]
        )
    except (ValueError, KeyError, TypeError, ConfigError):
        raise OutputError(f"{manifest} is damaged; delete {manifest.parent} or {_CURE}") from None
    there["version"], asked["version"] = version, content["version"]
    for key in sorted(there.keys() | asked.keys()):
        if key not in _EXTENT and there.get(key) != asked.get(key):
            raise OutputError(
                f"{manifest.parent} was written with {key} {shorten(str(there.get(key)))}, asked for {asked.get(key)}; "
                "choose a new folder"
            )
    if fewer:
        raise OutputError(
            f"{manifest.parent} holds {_extent(there)}, asked for {_extent(asked)}; ask for no less "
            "or choose a new folder"
        )


def _extent(settings: dict[str, Any]) -> str:
    return f"{settings['clips_per_class']} clips a class of {', '.join(settings['splits'])}"


def _tasks(
    out: Path, config: SynthConfig, classes: list[ClassDefinition]
) -> Iterator[tuple[ClassDefinition, list[int]]]:
    """The missing clips of every class, a few at a time."""
    for definition in classes:
        folder = _class_folder(out, definition)
        there = set(os.listdir(folder)) if folder.is_dir() else set()
        missing = [
            index
            for index in range(config.clips_per_class)
            if not {f"{_stem(index)}.mp4", f"{_stem(index)}.json"} <= there
        ]
        for first in range(0, len(missing), _CLIPS_PER_TASK):
            yield definition, missing[first : first + _CLIPS_PER_TASK]


def _run(
    out: Path, config: SynthConfig, tasks: list[tuple[ClassDefinition, list[int]]], num_workers: int
) -> Iterator[int]:
    """Write all clips; yield the number of clips of each finished task."""
    if num_workers == 1 or len(tasks) < 2:
        for definition, indices in tasks:
            yield _write_clips(out, config, definition, indices)
        return
    pool = ProcessPoolExecutor(
        min(num_workers, len(tasks)),
        mp_context=multiprocessing.get_context("spawn"),
        # Ctrl-C reaches the whole process group: workers finish what they have in hand, the parent hands out
        # no more.
        initializer=begin_worker,
    )
    try:
        futures = [
            pool.submit(_write_clips, out, config, definition, indices) for definition, indices in tasks
        ]
        for future in as_completed(futures):
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _write_clips(out: Path, config: SynthConfig, definition: ClassDefinition, indices: list[int]) -> int:
    """Render and write some clips of one class; return their number."""
    folder = _class_folder(out, definition)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for index in indices:
            clip = make_clip(config, definition, index)
            write_clip(folder / f"{_stem(index)}.mp4", clip.frames(), fps=config.fps, crf=clip.crf)
            truth = {
                "version": VERSION,
                "stratum": config.stratum,
                "class": definition.name,
                "index": index,
                "seed": config.seed,
                "timing": config.timing,
                "order": config.order,
                "fps": config.fps,
                "num_frames": config.num_frames,
                "spans": [asdict(span) for span in clip.spans],
            }
            _write_json(folder / f"{_stem(index)}.json", truth)
    except OSError as error:
        raise OutputError(
            f"cannot write into {folder}: {error.strerror}; check the space on the disk"
        ) from error
    return len(indices)


def _class_folder(out: Path, definition: ClassDefinition) -> Path:
    return out / definition.split / definition.name


def _stem(index: int) -> str:
    return f"{index:05d}"


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_text_atomic(path, json.dumps(content, indent=1) + "\n")
