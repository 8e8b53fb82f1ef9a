"""Long videos: what transport to a stated accuracy saves, and what more frames bring.

Pairs of rendered clips go through the network that is shipped with the package, with its equal weights and with those
of cross-reference; random walks of unequal weights are beside them. The full solver and
:func:`a2m2.ot.solve_within` take turns on each pair, in the CPU time of one thread. Then accuracy and time against the
number of frames, on novel classes of synth-v1.

    python -m a2m2.bench.coarse --json coarse.json
    python -m a2m2.bench.coarse --into docs/long-video.md      # the tables go between its marks
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from a2m2.bench.figures import Cell, FigureTable, command, write_figures
from a2m2.bench.marks import fill_marks
from a2m2.bench.options import measurement_parser
from a2m2.bench.ot_problems import walks
from a2m2.data import EpisodeSampler
from a2m2.eval.describe import concatenate
from a2m2.eval.pair_table import episode_accuracies, pair_scores
from a2m2.eval.stats import mean_interval
from a2m2.matching import A2Matcher, pair_cosines
from a2m2.matching.node_weights import WeightRule, node_weights
from a2m2.matching.order import candidate_positions, order_cost
from a2m2.model import FewShotModel
from a2m2.moments import candidate_windows
from a2m2.ot import solve, solve_within
from a2m2.structures import Descriptors
from a2m2.synth import SynthConfig, draw_classes
from a2m2.synth.clip import make_clip
from a2m2.weights import MOTION_SMALL, load_network

SIZES = (64, 128, 256, 512)
FRAMES = (8, 16, 32, 64, 128, 256)
PAIRS_SEED = 70
"""Seed of the clips that the solvers are timed on; how often bounds are worked out was chosen with clips of seed 71."""

NOVEL_SEED = 1
"""Seed of synth-v1, whose test classes the shipped network has not seen."""

SIDE = 64
SECONDS = 2.0
WAY = 5
EPISODES = 2000

KINDS: tuple[tuple[str, WeightRule | None], ...] = (
    ("rendered clips", "uniform"),
    ("rendered clips, cross-reference weights", "cross_reference"),
    ("random walks", None),
)

Problem = tuple[Tensor, Tensor, Tensor]
T = TypeVar("T")


class Network(NamedTuple):
    """The shipped network and its matcher."""

    model: FewShotModel
    matcher: A2Matcher

    def frames_for(self, nodes: int) -> int:
        """The most frames that give at most so many candidates."""
        return max(frames for frames in range(8, nodes + 1) if len(self.windows(frames)) <= nodes)

    def windows(self, frames: int) -> Tensor:
        """Windows of the candidates of so many frames."""
        return candidate_windows(frames, self.model.encoder.scales)[0]

    @torch.inference_mode()
    def encode(self, pixels: Sequence[np.ndarray]) -> Descriptors:
        """Descriptors of clips ``(frame, 3, side, side)`` uint8 of one length."""
        parts = []
        for one in pixels:
            seconds = (torch.arange(len(one)) + 0.5) * (SECONDS / len(one))
            frames = torch.from_numpy(one)[None].float() / 255
            parts.append(self.model.encode(frames, seconds[None], torch.tensor([SECONDS])))
        return concatenate(parts)

    @torch.inference_mode()
    def problem(self, query: Descriptors, support: Descriptors, rule: WeightRule) -> Problem:
        """What the matcher solves for one pair if it weighs by ``rule``: costs with the order prior, shares."""
        cosines = pair_cosines(query, support)
        cost = 1 - cosines.centred[0]
        axis = self.matcher.order_axis
        positions = candidate_positions(query, axis), candidate_positions(support, axis)
        cost = cost + self.matcher.order_prior * order_cost(*positions)[0]
        source, sharpness = self.matcher.weight_source, self.matcher.sharpness
        a, b = node_weights(cosines, rule, source=source, sharpness=sharpness)
        return cost, a[0] / a[0].sum(), b[0] / b[0].sum()


def shipped() -> Network:
    """Load it."""
    network = load_network(MOTION_SMALL).network.eval()
    matcher = network.matcher
    assert isinstance(matcher, A2Matcher)
    assert matcher.weights == "uniform"
    return Network(network, matcher)


def rendered_pairs(network: Network, nodes: int, number: int) -> Iterator[tuple[Descriptors, Descriptors]]:
    """Pairs of clips: by turns of one class and of two classes."""
    frames = network.frames_for(nodes)
    config = _config(PAIRS_SEED, frames)
    classes = [one for one in draw_classes(config.stratum, config.seed) if one.split == "test"]
    for pair in range(number):
        mine, other = classes[pair % len(classes)], classes[(pair + pair % 2) % len(classes)]
        clips = make_clip(config, mine, 2 * pair), make_clip(config, other, 2 * pair + 1)
        query, support = (network.encode([clip.frames()]) for clip in clips)
        yield query, support


def walk_pairs(nodes: int, number: int) -> Iterator[Problem]:
    """Noisy views of random walks: neighbours are far from alike."""
    for pair in range(number):
        batch = walks(np.random.default_rng((PAIRS_SEED, nodes, pair)), 1, nodes, nodes)
        yield tuple(torch.from_numpy(array.astype(np.float32)) for array in batch)  # type: ignore[misc]


class Figures(NamedTuple):
    """Of one pair."""

    full_ms: float
    within_ms: float
    certified: float
    true: float
    nodes: float
    grouped: bool
    exact: bool


def measure(problem: Problem, *, tolerance: float, rounds: int) -> Figures:
    """Time both solvers by turns, the best of the rounds; gaps relative to the exact value."""
    full_ms, within_ms = [], []
    for _ in range(rounds):
        milliseconds, exact = _timed(lambda: solve(*problem, num_threads=1))
        full_ms.append(milliseconds)
        milliseconds, near = _timed(lambda: solve_within(*problem, tolerance=tolerance, num_threads=1))
        within_ms.append(milliseconds)
    value = float(exact.value)
    left = near.nodes.double().mean()
    return Figures(
        min(full_ms),
        min(within_ms),
        float(near.gap) / abs(value),
        (float(near.value) - value) / abs(value),
        float(left),
        float(left) < sum(problem[0].shape[1:]) / 2,
        bool(near.exact),
    )


def speed(
    network: Network, sizes: Sequence[int], *, pairs: int, tolerance: float, rounds: int
) -> FigureTable:
    """Table of all kinds of pairs."""
    rows: list[tuple[Cell, ...]] = []
    rendered = {nodes: list(rendered_pairs(network, nodes, pairs)) for nodes in sizes}
    for kind, rule in KINDS:
        for nodes in sizes:
            problems = (
                walk_pairs(nodes, pairs)
                if rule is None
                else (network.problem(*pair, rule) for pair in rendered[nodes])
            )
            found: list[Figures] = []
            for problem in problems:
                if not found:
                    measure(problem, tolerance=tolerance, rounds=1)
                found.append(measure(problem, tolerance=tolerance, rounds=rounds))
            ratio, half = mean_interval(np.log([one.full_ms / one.within_ms for one in found]))
            rows.append(
                (
                    kind,
                    problem[0].shape[1],
                    float(np.median([one.full_ms for one in found])),
                    float(np.median([one.within_ms for one in found])),
                    f"{np.exp(ratio):.2f} ({np.exp(ratio - half):.2f} to {np.exp(ratio + half):.2f})",
                    100 * max(one.certified for one in found),
                    100 * max(one.true for one in found),
                    float(np.mean([one.nodes for one in found])),
                    sum(one.grouped for one in found),
                    sum(one.exact for one in found),
                )
            )
    return FigureTable(
        f"Full solver and transport within {100 * tolerance:g} %",
        (
            "pairs",
            "n",
            "full, ms",
            "within, ms",
            "times faster",
            "certified gap, % at most",
            "true gap, % at most",
            "nodes solved",
            "pairs grouped",
            "pairs solved exactly",
        ),
        tuple(rows),
        note=f"N = {pairs} pairs a row, float32, CPU time of one thread, the two by turns, best of {rounds} rounds "
        "each; medians of the times, geometric mean of the pairs' ratios with its 95 % interval over pairs.",
    )


def novel_clips(classes: int, clips: int) -> tuple[list[Callable[[int], np.ndarray]], list[int], list[str]]:
    """Clips of test classes of both strata: each gives its pixels for a number of frames; classes; names."""
    found: list[Callable[[int], np.ndarray]] = []
    labels: list[int] = []
    names: list[str] = []
    longest = max(FRAMES)
    for stratum in ("sets", "sequences"):
        config = _config(NOVEL_SEED, longest, stratum=stratum)
        tested = [one for one in draw_classes(config.stratum, config.seed) if one.split == "test"][:classes]
        for definition in tested:
            for index in range(clips):
                clip = make_clip(config, definition, index)
                found.append(lambda count, clip=clip: clip.frames(_middles(count, longest)))  # type: ignore[misc]
                labels.append(len(names))
            names.append(f"{stratum} {definition.name}")
    return found, labels, names


def accuracy(
    network: Network, frames: Sequence[int], *, classes: int, clips: int, tolerance: float
) -> FigureTable:
    """5-way 1-shot accuracy and the time of a pair against the number of frames."""
    makers, labels, names = novel_clips(classes, clips)
    near = copy.deepcopy(network.matcher)
    near.tolerance = tolerance
    sampler = EpisodeSampler(labels, class_names=names, way=WAY, shot=1, query=1, seed=0)
    episodes = [sampler.episode(index) for index in range(EPISODES)]
    rows: list[tuple[Cell, ...]] = []
    for count in frames:
        pixels = [maker(count) for maker in makers]
        encode_ms, descriptors = _timed(lambda pixels=pixels: network.encode(pixels))  # type: ignore[misc]
        with torch.inference_mode():
            pair_ms, tables = [], []
            for matcher in (network.matcher, near):
                pair_scores(matcher, descriptors[torch.tensor([0])], num_threads=1)
                start = time.process_time()
                tables.append(pair_scores(matcher, descriptors, num_threads=1))
                pair_ms.append((time.process_time() - start) * 1e3 / len(descriptors) ** 2)
        means = [mean_interval(episode_accuracies(table, episodes)) for table in tables]
        rows.append(
            (
                count,
                descriptors.values.shape[1],
                *(f"{100 * mean:.1f} ± {100 * half:.1f}" for mean, half in means),
                encode_ms / len(pixels),
                *pair_ms,
            )
        )
    return FigureTable(
        "More frames of the same clips",
        (
            "frames",
            "n",
            "exact: accuracy %",
            f"within {100 * tolerance:g} %: accuracy %",
            "encoding, ms a clip",
            "exact, ms a pair",
            "within, ms a pair",
        ),
        tuple(rows),
        note=f"5-way 1-shot, {EPISODES:,} episodes over N = {len(makers)} clips of {len(names)} novel classes of "
        f"synth-v1, {SIDE} pixels; the interval covers the draw of episodes, not that of so few clips and classes. CPU "
        "time, one thread, all of the matcher.",
    )


def _config(seed: int, frames: int, *, stratum: str = "sequences") -> SynthConfig:
    return SynthConfig.build(
        {"stratum": stratum, "seed": seed, "num_frames": frames, "fps": frames / SECONDS, "size": SIDE}
    )


def _middles(count: int, frames: int) -> np.ndarray:
    return (2 * np.arange(count) + 1) * frames // (2 * count)


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.thread_time()
    result = work()
    return (time.thread_time() - start) * 1e3, result


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = measurement_parser("coarse", __doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="candidates of a clip")
    parser.add_argument("--pairs", type=int, default=20, help="of each kind and size")
    parser.add_argument("--rounds", type=int, default=3, help="timings of each pair")
    parser.add_argument("--frames", type=int, nargs="+", default=list(FRAMES), help="of a clip, at most 256")
    parser.add_argument("--classes", type=int, default=10, help="novel classes of each stratum")
    parser.add_argument("--clips", type=int, default=3, help="of each class")
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument(
        "--into", type=Path, help="Markdown file with the marks coarse-speed and coarse-accuracy"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    network = shipped()
    tolerance = options.tolerance
    tables = []
    for measured in (
        lambda: speed(
            network, options.sizes, pairs=options.pairs, tolerance=tolerance, rounds=options.rounds
        ),
        lambda: accuracy(
            network, options.frames, classes=options.classes, clips=options.clips, tolerance=tolerance
        ),
    ):
        tables.append(measured().measured_by(command("coarse", arguments)))
        print(tables[-1].text(), flush=True)
    write_figures(options.json, tables, seed=PAIRS_SEED)
    if options.into is not None:
        marks = ("coarse-speed", "coarse-accuracy")
        contents = {mark: table.markdown() for mark, table in zip(marks, tables, strict=True)}
        fill_marks(options.into, contents)


if __name__ == "__main__":
    main()
