"""From answers to figures: means, intervals, paired comparisons, confusion. No torch.

Every figure of a run comes from its records in one pass. An accuracy is the mean over episodes of the share
of queries put in their class; its interval is ``1.96 · std / √N`` with the population standard deviation over
the ``N`` episodes. Two methods are compared by the same two figures of their differences, episode by episode,
which is sharper than comparing two intervals because both methods met the same hard and easy episodes.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from a2m2.errors import RecordError
from a2m2.reading import mapping_of, parse_json, read_record, shorten, typed
from a2m2.records import EpisodeRecord, RunRecord, episodes_digest, read_episodes, read_run

INTERVAL_COVERS = (
    "over episodes of one fixed set of videos and one set of weights; not over training seeds or other videos"
)
"""What every interval of this module means; shown wherever one is shown."""

MAX_CLASSES = 8192
"""Classes of a run, whose confusions are counted in a table of this side."""
_CHUNK_EPISODES = 1024
_DECIMALS = 6


@dataclass(frozen=True)
class MethodSummary:
    """The figures of one method.

    Attributes:
        accuracy: mean over episodes of the share of right answers, 0 … 1.
        interval95: half-width of its 95 % interval (:data:`INTERVAL_COVERS`).
        episodes: number of episodes.
        queries: number of queries in all.
        by_class: class name to ``{"accuracy", "queries"}`` over the queries of that class; classes that were
            never a query are left out.
        confusion: answers counted: row = true class, column = class answered, both over the run's classes.
            Two classes are confused only in episodes that hold both.
    """

    accuracy: float
    interval95: float
    episodes: int
    queries: int
    by_class: dict[str, dict[str, int | float]]
    confusion: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class PairSummary:
    """Accuracy of ``a`` minus accuracy of ``b`` over the same episodes; positive when ``a`` is better."""

    a: str
    b: str
    difference: float
    interval95: float
    episodes: int


@dataclass(frozen=True)
class Summary:
    """The figures of a run, as ``summary.json`` holds them.

    Attributes:
        methods: method name to its figures, in the order of the run.
        classes: the run's class names, which rows and columns of ``confusion`` follow.
        pairs: every two methods compared.
        alignment: method to ``{"non_idle" | "all": {"share", "interval95", "episodes"}}``: share of the
            plan's mass that joins the same sub-action; empty when no ground truth is known.
    """

    methods: dict[str, MethodSummary]
    classes: tuple[str, ...]
    pairs: tuple[PairSummary, ...]
    alignment: dict[str, dict[str, dict[str, int | float]]] = field(default_factory=dict)

    def to_json(self) -> str:
        """Indented JSON; numbers rounded to six decimals, so that it is the same bytes on every machine.

        Raises:
            ValueError: a figure is not finite.
        """
        content = {**asdict(self), "interval_covers": INTERVAL_COVERS}
        return json.dumps(_rounded(content), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Summary:
        """Inverse of :meth:`to_json`, up to its rounding."""
        return typed(cls, mapping_of(parse_json(text)))


def mean_interval(values: ArrayLike) -> tuple[float, float]:
    """Mean of one value an episode, and the half-width ``1.96 · std / √N`` of its 95 % interval.

    The standard deviation is that of the population (divided by ``N``). One episode has no spread: its
    half-width is 0, which says nothing.

    Raises:
        ValueError: no values, or not one number an episode.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"expected one value an episode, got an array of shape {array.shape}")
    return float(array.mean()), float(1.96 * array.std() / np.sqrt(array.size))


def paired_difference(a: ArrayLike, b: ArrayLike) -> tuple[float, float]:
    """:func:`mean_interval` of ``a − b``, both with one value an episode of the same list of episodes."""
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"expected values of the same episodes, got shapes {first.shape} and {second.shape}")
    return mean_interval(first - second)


def summarize(run: RunRecord, records: Iterable[EpisodeRecord]) -> Summary:
    """The figures of a run from its episodes, read once and in order.

    Raises:
        RecordError: the episodes are not those of the run, all and in order, or an answer is missing or
            outside the episode's classes.
    """
    accuracies, confusion = _tally(run, records)
    methods = {
        name: MethodSummary(
            *mean_interval(accuracies[name]),
            episodes=run.episodes,
            queries=run.episodes * run.way * run.query,
            by_class=_by_class(run.classes, confusion[name]),
            confusion=tuple(map(tuple, confusion[name].tolist())),
        )
        for name in run.methods
    }
    pairs = itertools.combinations(run.methods, 2)
    return Summary(methods, run.classes, tuple(_pair(a, accuracies[a], b, accuracies[b]) for a, b in pairs))


def read_summary(folder: Path) -> Summary:
    """The ``summary.json`` of a results folder.

    Raises:
        RecordError: there is none, or it cannot be read.
    """
    return read_record(
        folder / "summary.json",
        Summary.from_json,
        error=RecordError,
        missing=f"{folder} holds no summary.json; evaluate again",
        cure="evaluate again with 'a2m2 evaluate'",
    )


def compare_runs(folder_a: Path, folder_b: Path) -> tuple[PairSummary, ...]:
    """Every method of one results folder against every method of another, over the same episodes.

    Returns:
        One entry for each method of ``a`` and each method of ``b``, in the order of the two runs; names may
        be equal.

    Raises:
        RecordError: a folder is incomplete, or the two did not run the same episodes on the same videos; the
            message says what differs.
    """
    run_a, run_b = read_run(folder_a), read_run(folder_b)
    _check_comparable(folder_a, run_a, folder_b, run_b)
    accuracies_a, accuracies_b = verified_accuracies(folder_a, run_a), verified_accuracies(folder_b, run_b)
    pairs = itertools.product(run_a.methods, run_b.methods)
    return tuple(_pair(a, accuracies_a[a], b, accuracies_b[b]) for a, b in pairs)


def _pair(
    a: str, accuracies_a: NDArray[np.float64], b: str, accuracies_b: NDArray[np.float64]
) -> PairSummary:
    return PairSummary(a, b, *paired_difference(accuracies_a, accuracies_b), episodes=len(accuracies_a))


def _by_class(classes: Sequence[str], confusion: NDArray[np.int64]) -> dict[str, dict[str, int | float]]:
    right, queries = confusion.diagonal().tolist(), confusion.sum(axis=1).tolist()
    return {
        name: {"accuracy": right[label] / queries[label], "queries": queries[label]}
        for label, name in enumerate(classes)
        if queries[label]
    }


def _check_comparable(folder_a: Path, a: RunRecord, folder_b: Path, b: RunRecord) -> None:
    differing: list[tuple[str, object, object]] = [
        (name, getattr(a, name), getattr(b, name)) for name in ("way", "shot", "query", "episodes", "seed")
    ]
    differing += [
        ("number of videos", len(a.videos), len(b.videos)),
        ("digest of the videos", a.data_digest, b.data_digest),
        ("digest of the episodes", a.episodes_digest, b.episodes_digest),
    ]
    for what, of_a, of_b in differing:
        if of_a != of_b:
            raise RecordError(
                f"{folder_a} and {folder_b} cannot be compared episode by episode: {what} {of_a} and {of_b}; "
                "evaluate both with the same videos, protocol and seed"
            )
    if (a.videos, a.video_classes, a.classes) != (b.videos, b.video_classes, b.classes):
        raise RecordError(
            f"{folder_a} and {folder_b} cannot be compared episode by episode: "
            "names or classes of their videos differ; evaluate both with the same videos, protocol and seed"
        )


def verified_accuracies(folder: Path, run: RunRecord) -> dict[str, NDArray[np.float64]]:
    """Accuracy of every method in every episode of a results folder.

    Raises:
        RecordError: its episodes are not the ones that its ``run.json`` names.
    """
    # Read twice rather than kept: a folder may hold more episodes than memory.
    if episodes_digest(record.episode for record in read_episodes(folder)) != run.episodes_digest:
        raise RecordError(
            f"{folder}: episodes.jsonl holds other episodes than run.json names; evaluate again"
        )
    try:
        return _tally(run, read_episodes(folder)).accuracies
    except RecordError as error:
        raise RecordError(f"{folder}: episodes.jsonl does not fit run.json: {error}") from None


class _Tally(NamedTuple):
    accuracies: dict[str, NDArray[np.float64]]
    confusion: dict[str, NDArray[np.int64]]


def _tally(run: RunRecord, records: Iterable[EpisodeRecord]) -> _Tally:
    """Each method's accuracy in each episode, and its answers counted over the run's classes."""
    if not run.methods:
        raise RecordError("the run names no method; evaluate again")
    num_classes, num_queries = len(run.classes), run.way * run.query
    # What a record claims decides how much memory is taken: it must be possible at all.
    if num_classes > MAX_CLASSES:
        raise RecordError(f"{num_classes:,} classes, more than {MAX_CLASSES:,}; evaluate on fewer")
    if not (0 < run.way <= num_classes and 0 < num_queries <= len(run.videos)):
        raise RecordError(
            f"{run.way}-way with {run.query} queries a class of {num_classes} classes and {len(run.videos)} videos; "
            "evaluate again"
        )
    truth = np.repeat(np.arange(run.way), run.query)
    accuracies: list[NDArray[np.float64]] = []
    counts = np.zeros((len(run.methods), num_classes * num_classes), dtype=np.int64)
    seen = 0
    for classes, answers in _chunks(run, records):
        accuracies.append((answers == truth).mean(axis=2))
        true_class = np.repeat(classes, run.query, axis=1)
        for method, answer in enumerate(answers):
            cells = true_class * num_classes + np.take_along_axis(classes, answer, axis=1)
            counts[method] += np.bincount(cells.ravel(), minlength=num_classes * num_classes)
        seen += len(classes)
    if seen < run.episodes or not accuracies:
        raise RecordError(
            f"expected {run.episodes} episodes of {num_queries} queries, got {seen}; evaluate again"
        )
    tables = counts.reshape(-1, num_classes, num_classes)
    return _Tally(
        dict(zip(run.methods, np.concatenate(accuracies, axis=1), strict=True)),
        dict(zip(run.methods, tables, strict=True)),
    )


def _chunks(
    run: RunRecord, records: Iterable[EpisodeRecord]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Classes ``(episode, way)`` and answers ``(method, episode, query)``, checked, a chunk at a time."""
    stream, expected = iter(records), 0
    while chunk := list(itertools.islice(stream, _CHUNK_EPISODES)):
        for record in chunk:
            _check_record(run, record, expected)
            expected += 1
        classes = np.array([record.episode.classes for record in chunk], dtype=np.int64)
        answers = np.array([[r.predictions[method] for r in chunk] for method in run.methods], dtype=np.int64)
        for values, stop, what in ((classes, len(run.classes), "a class"), (answers, run.way, "an answer")):
            if values.size and not 0 <= values.min() <= values.max() < stop:
                first = expected - len(chunk)
                raise RecordError(
                    f"episodes {first} … {expected - 1}: {what} lies outside 0 … {stop - 1}; evaluate again"
                )
        yield classes, answers


def _check_record(run: RunRecord, record: EpisodeRecord, expected: int) -> None:
    episode, num_queries = record.episode, run.way * run.query
    if episode.index != expected or expected >= run.episodes:
        raise RecordError(
            f"expected episodes 0 … {run.episodes - 1} in order, got {episode.index} in place {expected}; "
            "evaluate again"
        )
    if len(episode.classes) != run.way or [len(videos) for videos in episode.query] != [run.query] * run.way:
        raise RecordError(
            f"episode {expected} is not {run.way}-way with {run.query} queries a class; evaluate again"
        )
    if record.predictions.keys() != run.methods.keys():
        got = shorten(", ".join(record.predictions)) or "none"
        raise RecordError(
            f"episode {expected}: expected answers of {shorten(', '.join(run.methods))}, got {got}; evaluate again"
        )
    for method, answers in record.predictions.items():
        if len(answers) != num_queries:
            raise RecordError(
                f"episode {expected}: expected {num_queries} answers of {method}, got {len(answers)}; "
                "evaluate again"
            )


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DECIMALS) + 0.0  # + 0.0 turns -0.0 into 0.0
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(entry) for entry in value]
    return value
