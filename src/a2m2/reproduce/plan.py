"""What a reproduction is: a benchmark, its recipe, the lists, and where everything goes. Nothing is opened or written.

OUT/findings.txt       what is wrong with lists and videos, one finding a line
OUT/manifest.csv       the videos that are used
OUT/pretrained/        stage 1, once
OUT/trained_K_shot/    stage 2, once for each number of shots
OUT/tested_K_shot/     the test, once for each number of shots
OUT/report.html        all of them on one page
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from a2m2.config import load
from a2m2.data.lists import (
    Benchmark,
    Matches,
    VideoList,
    match_videos,
    read_lists,
    recognise_benchmark,
)
from a2m2.errors import ConfigError, DataError
from a2m2.settings import EvaluateSettings
from a2m2.train_settings import TrainSettings

SHOTS = (1, 3, 5)
"""Numbers of shots that the benchmarks are reported with."""

EPISODES = 10_000
"""Episodes of a test, as published."""

QUERIES = 1
"""Queries a class at the test, as published; training has those of the recipe."""

_SPLITS = ("train", "val", "test")
_OURS = {
    "data": "it is the manifest that is made of --lists",
    "meta.shot": "the shots are those of the test, --shot",
    "validation.shot": "the shots are those of the test, --shot",
}


@dataclass(frozen=True, repr=False)
class Reproduction:
    """A benchmark to reproduce.

    Attributes:
        benchmark: which one.
        recipe: both stages; ``data`` is the manifest in ``out``. Shots are set for each test by :meth:`training`.
        listed: its lists.
        matches: the video of each line.
        shots: numbers of shots to train for and to test with, ascending.
        episodes: episodes of each test.
        out: folder of everything that is written.
        allow_missing: leave out videos that are missing or cannot be decoded, instead of refusing.
    """

    benchmark: Benchmark
    recipe: TrainSettings
    listed: VideoList
    matches: Matches
    shots: tuple[int, ...]
    episodes: int
    out: Path
    allow_missing: bool

    @property
    def findings(self) -> Path:
        """The file of everything that is wrong with lists and videos."""
        return self.out / "findings.txt"

    @property
    def manifest(self) -> Path:
        """The videos that are used."""
        return manifest_in(self.out)

    @property
    def pretrained(self) -> Path:
        """Folder of the pre-training."""
        return self.out / "pretrained"

    def trained(self, shot: int) -> Path:
        """Folder of the meta-training for ``shot`` shots."""
        return self.out / f"trained_{shot}_shot"

    def tested(self, shot: int) -> Path:
        """Folder of the test with ``shot`` shots."""
        return self.out / f"tested_{shot}_shot"

    def training(self, shot: int) -> TrainSettings:
        """The recipe with ``shot`` shots in episodes of training and of validation."""
        meta = self.recipe.meta.model_copy(update={"shot": shot})
        validation = self.recipe.validation.model_copy(update={"shot": shot})
        return self.recipe.model_copy(update={"meta": meta, "validation": validation})

    def test(self, shot: int) -> EvaluateSettings:
        """The published protocol with ``shot`` shots, as many ways as in training."""
        return load(
            EvaluateSettings,
            data=str(self.manifest),
            weights=[str(self.trained(shot))],
            split=["test"],
            protocol={
                "way": self.recipe.meta.way,
                "shot": shot,
                "query": QUERIES,
                "episodes": self.episodes,
            },
        )


def plan_reproduction(
    benchmark: Benchmark,
    videos: Path,
    lists: Sequence[Path],
    *,
    out: Path,
    config: Path | None = None,
    overrides: Iterable[str] = (),
    shots: Sequence[int] = SHOTS,
    episodes: int = EPISODES,
    allow_missing: bool = False,
) -> Reproduction:
    """Read lists and recipe, and find the videos by name.

    Args:
        benchmark: which one.
        videos: folder that holds them, at any depth.
        lists: folder of its lists, or the lists; train, val and test.
        out: folder of everything that is written.
        config: recipe in place of the one that comes with the package.
        overrides: ``section.key=value``, changes to the recipe.
        shots: numbers of shots.
        episodes: episodes of each test.
        allow_missing: see :class:`Reproduction`.

    Raises:
        ConfigError: a recipe that cannot be used, or a setting that a reproduction makes itself.
        DataError: lists that cannot be read, are of another benchmark, or lack a split.
    """
    overrides = tuple(overrides)
    for override in overrides:
        key = override.partition("=")[0]
        if key in _OURS:
            raise ConfigError(
                f"--set {override}: a reproduction sets {key} itself, {_OURS[key]}; leave it out"
            )
    recipe = load(
        TrainSettings,
        config if config is not None else Path(benchmark),
        [*overrides, f"data={manifest_in(out)}"],
    )
    listed = read_lists(lists)
    _check_lists(listed, benchmark)
    return Reproduction(
        benchmark=benchmark,
        recipe=recipe,
        listed=listed,
        matches=match_videos(listed, videos),
        shots=tuple(sorted(set(shots))),
        episodes=episodes,
        out=out,
        allow_missing=allow_missing,
    )


def manifest_in(out: Path) -> Path:
    """Place of the manifest of a reproduction in ``out``."""
    return out / "manifest.csv"


def _check_lists(listed: VideoList, benchmark: Benchmark) -> None:
    other, _ = recognise_benchmark(listed)
    if other not in (None, benchmark):
        raise DataError(
            f"the lists are those of {other} by their ids and counts, not of {benchmark}; give the lists of "
            f"{benchmark}, or reproduce {other}"
        )
    missing = [split for split in _SPLITS if split not in listed.splits]
    if missing:
        raise DataError(
            f"expected lists of train, val and test, got none of {' and '.join(missing)}; give the folder that holds "
            "all three, or --lists once for each"
        )
