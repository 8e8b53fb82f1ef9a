"""How fast episodes are scored: one beside plain loops, thousands from cached descriptors, and in how much memory.

Examples::

    a2m2 bench episodes
    a2m2 bench episodes --episodes 1000 --direct 100 --rounds 3 --memory 100 1000
    a2m2 bench episodes --rounds 0 --json episodes.json

The descriptors are simulated (random walks over candidates around class centres, n = 14, D = 2080): time and memory
depend on their size, not on what they show. Sampler, matcher, records and statistics are those of ``a2m2 evaluate``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from a2m2.bench.episode_loop import Timed, measure_episode, whole_ratio
from a2m2.bench.figures import FigureTable, command, write_figures
from a2m2.bench.memory import peak_mib
from a2m2.bench.options import measurement_parser
from a2m2.data import EpisodeSampler
from a2m2.data.store import FeatureStore
from a2m2.eval.runner import Contestant, run_episodes
from a2m2.eval.sources import FixedSource
from a2m2.matching import A2Matcher, pair_cosines
from a2m2.moments import DEFAULT_SCALES, candidate_windows
from a2m2.ot import solve
from a2m2.structures import Descriptors

NUM_CLASSES, NUM_FRAMES, DIM = 24, 8, 2080


@dataclass(frozen=True)
class Protocol:
    """Episodes of one kind on so many videos."""

    way: int
    shot: int
    query: int
    videos: int

    def __str__(self) -> str:
        return f"{self.way}-way {self.shot}-shot, {self.query} queries a class, {self.videos:,} videos"

    @property
    def pairs(self) -> int:
        """Pairs of videos that an episode asks for."""
        return self.way * self.query * self.way * self.shot

    def sampler(self) -> EpisodeSampler:
        """Classes in turn."""
        return EpisodeSampler(
            [index % NUM_CLASSES for index in range(self.videos)],
            class_names=[f"class{index:02d}" for index in range(NUM_CLASSES)],
            way=self.way,
            shot=self.shot,
            query=self.query,
            seed=0,
        )


PROTOCOLS = (
    Protocol(5, 1, 5, 2400),
    Protocol(5, 1, 5, 480),
    Protocol(5, 5, 5, 480),
    Protocol(24, 1, 5, 2400),
)


def simulated_descriptors(num_videos: int, *, seed: int, dim: int = DIM) -> Descriptors:
    """``num_videos`` videos of 14 candidates, classes in turn, in one half-space like square-root covariances."""
    generator = torch.Generator().manual_seed(seed)
    windows, scale = candidate_windows(NUM_FRAMES, DEFAULT_SCALES)
    num_node = len(windows)
    centres = torch.randn(NUM_CLASSES, num_node, dim, generator=generator).cumsum_(1)
    values = torch.randn(num_videos, num_node, dim, generator=generator).cumsum_(1)
    values += centres[torch.arange(num_videos) % NUM_CLASSES] / 4 + 2
    return Descriptors(
        values=values,
        spans=(windows.float() / NUM_FRAMES).repeat(num_videos, 1, 1),
        windows=windows,
        scale=scale,
        energy=torch.rand(num_videos, NUM_FRAMES, generator=generator),
        mean=torch.full((dim,), 2.0),
    )


def one_episode(rounds: int) -> FigureTable:
    """An episode of 125 pairs beside the loops."""
    protocol = PROTOCOLS[1]
    episode = protocol.sampler().episode(0)
    descriptors = simulated_descriptors(protocol.videos, seed=0)
    support, query = FixedSource(descriptors).episode(
        [video for members in episode.support for video in members],
        [video for members in episode.query for video in members],
    )
    times, ratios = measure_episode(query, support, rounds=rounds)
    ours = times["matcher"].scores
    rows = [_loop_row(name, times, ratios, ours) for name in times]
    columns = (
        "way",
        "ms",
        "of it cosines",
        "of it transport",
        "times slower",
        "cosines",
        "transport",
        "difference",
    )
    return FigureTable(
        f"One episode of {protocol.pairs} pairs, n = 14, D = {DIM}, one thread",
        columns,
        tuple(rows),
        note=f"Processor time, median of {rounds} turns. 'repeated': all pairs of the episode repeated against each "
        "other, as DeepEMD's code does; 'pair by pair': one pair at a time. Transport includes the node "
        "weights; the difference is the largest of a score to the matcher's.",
    )


def _loop_row(
    name: str, times: dict[str, Timed], ratios: dict[str, Timed], ours: np.ndarray
) -> tuple[str | float, ...]:
    spent, slower = times[name], ratios[name]
    return (
        name,
        1e3 * (spent.cosines + spent.transport),
        1e3 * spent.cosines,
        1e3 * spent.transport,
        whole_ratio(times, name),
        slower.cosines,
        slower.transport,
        float(np.abs(spent.scores - ours).max()),
    )


def many_episodes(
    protocols: Sequence[Protocol], *, num_episodes: int, num_direct: int, num_threads: int
) -> FigureTable:
    """Thousands of episodes from descriptors that lie in a store; some also without shared pairs."""
    rows = []
    for protocol in protocols:
        with tempfile.TemporaryDirectory() as folder:
            load, descriptors = _stored(Path(folder), simulated_descriptors(protocol.videos, seed=0))
        contestants = [Contestant("a2", FixedSource(descriptors), A2Matcher(num_threads=1))]
        draw = protocol.sampler().episode
        list(run_episodes(contestants, draw, 20, share=False))
        start = time.perf_counter()
        with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
            for record in run_episodes(contestants, draw, num_episodes, num_threads=num_threads):
                file.write(f"{record.to_line()}\n")
            seconds = time.perf_counter() - start
            file.seek(0)
            written = [next(file).rstrip("\n") for _ in range(min(num_direct, num_episodes))]
        begin = time.process_time()
        alone = run_episodes(contestants, draw, len(written), num_threads=1, share=False)
        direct = [record.to_line() for record in alone]
        direct_ms = 1e3 * (time.process_time() - begin) / len(written)
        gram, transport = _parts(descriptors, protocol, min(50, num_episodes))
        rows.append(
            (
                str(protocol),
                load + seconds,
                load,
                1e3 * seconds / num_episodes,
                direct_ms,
                100 * gram / direct_ms,
                100 * transport / direct_ms,
                "yes" if written == direct else "NO",
            )
        )
    columns = (
        "episodes",
        "s, all",
        "of it loading",
        "ms an episode",
        "ms alone, 1 thread",
        "Gram %",
        "transport %",
        "same records",
    )
    return FigureTable(
        f"{num_episodes:,} episodes from stored descriptors, {num_threads} threads",
        columns,
        tuple(rows),
        note="'ms an episode': wall time, pairs of videos scored once for all episodes where that is less work. "
        f"'alone': processor time of the first {num_direct:,} matched one by one in one thread, with the shares of "
        "Gram matrices and of the solver; their records are compared byte for byte with those of the long run.",
    )


def _stored(folder: Path, descriptors: Descriptors) -> tuple[float, Descriptors]:
    """Write descriptors to a store; seconds of reading them back, and what was read."""
    store = FeatureStore(folder)
    names = [f"{index:032x}" for index in range(len(descriptors))]
    for row, name in enumerate(names):
        tensors = {part: getattr(descriptors, part)[row] for part in ("values", "spans", "energy")}
        store.put("descriptors", "simulated", name, tensors)
    start = time.perf_counter()
    read = store.load_many("descriptors", "simulated", names).tensors
    seconds = time.perf_counter() - start
    return seconds, Descriptors(
        values=read["values"],
        spans=read["spans"],
        windows=descriptors.windows,
        scale=descriptors.scale,
        energy=read["energy"],
        mean=descriptors.mean,
    )


@torch.inference_mode()
def _parts(descriptors: Descriptors, protocol: Protocol, number: int) -> tuple[float, float]:
    """Milliseconds of processor time that an episode's Gram matrix and its transport problems take, one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    source, draw = FixedSource(descriptors), protocol.sampler().episode
    gram = transport = 0.0
    for index in range(number):
        episode = draw(index)
        support, query = source.episode(
            [video for members in episode.support for video in members],
            [video for members in episode.query for video in members],
        )
        start = time.thread_time()
        cosines = pair_cosines(query, support)
        gram += time.thread_time() - start
        cost = (1 - cosines.centred).flatten(0, 1)
        weight = torch.full(cost.shape[:2], 1 / cost.shape[1])
        start = time.thread_time()
        solve(cost, weight, weight, num_threads=1)
        transport += time.thread_time() - start
    torch.set_num_threads(before)
    return 1e3 * gram / number, 1e3 * transport / number


def memory(numbers: Sequence[int]) -> FigureTable:
    """Peak memory of a process that evaluates so many episodes and writes their records."""
    protocol = PROTOCOLS[1]
    rows = []
    for number in numbers:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            before, peak = pool.apply(_evaluate_alone, (protocol, number))
        rows.append((number, before, peak, peak - before))
    return FigureTable(
        f"Memory against the number of episodes ({protocol})",
        ("episodes", "MiB before them", "peak MiB", "added MiB"),
        tuple(rows),
        note="Highest resident memory, each number in a process of its own; 'before' is with the descriptors loaded "
        "and one episode matched.",
    )


def _evaluate_alone(protocol: Protocol, number: int) -> tuple[float, float]:
    contestants = [
        Contestant(
            "a2", FixedSource(simulated_descriptors(protocol.videos, seed=0)), A2Matcher(num_threads=1)
        )
    ]
    draw = protocol.sampler().episode
    list(run_episodes(contestants, draw, 100, share=False))
    before = peak_mib()
    with tempfile.TemporaryFile("w", encoding="utf-8") as file:
        for record in run_episodes(contestants, draw, number):
            file.write(f"{record.to_line()}\n")
    return before, peak_mib()


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    options = _parser().parse_args(arguments)
    called = command("episodes", arguments)
    tables = []
    if options.rounds:
        tables.append(one_episode(options.rounds))
    if options.episodes:
        tables.append(
            many_episodes(
                PROTOCOLS[: options.protocols],
                num_episodes=options.episodes,
                num_direct=options.direct,
                num_threads=options.threads,
            )
        )
    if options.memory:
        tables.append(memory(options.memory))
    tables = [table.measured_by(called) for table in tables]
    for table in tables:
        print(f"{table.text()}\n")
    write_figures(options.json, tables)


def _parser() -> argparse.ArgumentParser:
    parser = measurement_parser("episodes", __doc__)
    parser.add_argument("--rounds", type=int, default=7, help="turns of the loops, 0 for none (7)")
    parser.add_argument("--episodes", type=int, default=10_000, help="of the long runs, 0 for none (10000)")
    parser.add_argument("--direct", type=int, default=500, help="episodes matched one by one as well (500)")
    parser.add_argument(
        "--protocols", type=int, default=len(PROTOCOLS), help="only the first so many long runs"
    )
    parser.add_argument("--threads", type=int, default=2, help="of the long runs (2)")
    parser.add_argument(
        "--memory",
        type=int,
        nargs="*",
        default=[1000, 10_000],
        help="episodes of the memory runs (1000 10000)",
    )
    return parser


if __name__ == "__main__":
    main()
