"""How long 10,000 episodes take from cached descriptors, and where the time goes.

Example::

    python -m a2m2.bench.episodes
    python -m a2m2.bench.episodes --episodes 2000 --way 24 --json episodes.json

The descriptors are simulated (random walks over candidates around class centres, n = 14, D = 2080): time and memory
depend on their size, not on what they show. Episodes, matcher, records and statistics are those of ``a2m2 evaluate``.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from a2m2.data import EpisodeSampler
from a2m2.eval.runner import Contestant, run_episodes
from a2m2.eval.sources import FixedSource
from a2m2.matching import A2Matcher, pair_cosines
from a2m2.moments import DEFAULT_SCALES, candidate_windows
from a2m2.ot import solve
from a2m2.records import EpisodeRecord
from a2m2.structures import Descriptors

NUM_CLASSES, NUM_FRAMES, DIM = 24, 8, 2080


def simulated_descriptors(num_videos: int, *, seed: int) -> Descriptors:
    """``num_videos`` videos of 14 candidates, classes in turn, in one half-space like square-root covariances."""
    generator = torch.Generator().manual_seed(seed)
    windows, scale = candidate_windows(NUM_FRAMES, DEFAULT_SCALES)
    num_node = len(windows)
    centres = torch.randn(NUM_CLASSES, num_node, DIM, generator=generator).cumsum_(1)
    values = torch.randn(num_videos, num_node, DIM, generator=generator).cumsum_(1)
    values += centres[torch.arange(num_videos) % NUM_CLASSES] / 4 + 2
    return Descriptors(
        values=values,
        spans=(windows.float() / NUM_FRAMES).repeat(num_videos, 1, 1),
        windows=windows,
        scale=scale,
        energy=torch.rand(num_videos, NUM_FRAMES, generator=generator),
        mean=torch.full((DIM,), 2.0),
    )


def run(*, num_episodes: int, num_videos: int, way: int, shot: int, query: int) -> dict[str, Any]:
    """Time the episodes with one and two threads, then Gram matrix and transport alone on the same episodes."""
    descriptors = simulated_descriptors(num_videos, seed=0)
    sampler = EpisodeSampler(
        [index % NUM_CLASSES for index in range(num_videos)],
        class_names=[f"class{index:02d}" for index in range(NUM_CLASSES)],
        way=way,
        shot=shot,
        query=query,
        seed=0,
    )
    contestants = [Contestant("a2", FixedSource(descriptors), A2Matcher(num_threads=1))]
    list(run_episodes(contestants, sampler.episode, 50))
    seconds: dict[str, float] = {}
    files: list[bytes] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, num_threads in (("1 thread", 1), ("2 threads", 2), ("2 threads again", 2)):
            path = Path(folder) / f"{len(files)}.jsonl"
            start = time.perf_counter()
            with path.open("w", encoding="utf-8") as lines:
                for record in run_episodes(
                    contestants, sampler.episode, num_episodes, num_threads=num_threads
                ):
                    lines.write(f"{record.to_line()}\n")
            seconds[name] = time.perf_counter() - start
            files.append(path.read_bytes())
    records = [EpisodeRecord.from_line(line) for line in files[0].decode().splitlines()]
    gram, transport = _parts(descriptors, records[: min(2000, num_episodes)])
    share = num_episodes / min(2000, num_episodes)
    return {
        "episodes": num_episodes,
        "videos": num_videos,
        "way": way,
        "shot": shot,
        "query": query,
        "node": descriptors.values.shape[1],
        "dim": DIM,
        "seconds": seconds,
        "gram_seconds_one_thread": gram * share,
        "transport_seconds_one_thread": transport * share,
        "rest_seconds_one_thread": seconds["1 thread"] - (gram + transport) * share,
        "records_identical": files[0] == files[1] == files[2],
        "peak_memory_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


@torch.inference_mode()
def _parts(descriptors: Descriptors, records: Sequence[EpisodeRecord]) -> tuple[float, float]:
    """Seconds that the Gram matrices and the transport problems of these episodes take, one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    gram = transport = 0.0
    for record in records:
        support = descriptors[
            torch.tensor([video for members in record.episode.support for video in members])
        ]
        query = descriptors[torch.tensor([video for members in record.episode.query for video in members])]
        start = time.perf_counter()
        cosines = pair_cosines(query, support)
        middle = time.perf_counter()
        gram += middle - start
        cost = (1 - cosines.centred).flatten(0, 1)
        weight = torch.full(cost.shape[:2], 1 / cost.shape[1])
        start = time.perf_counter()
        solve(cost, weight, weight, num_threads=1)
        transport += time.perf_counter() - start
    torch.set_num_threads(before)
    return gram, transport


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m a2m2.bench.episodes",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--videos", type=int, default=2_400)
    parser.add_argument("--way", type=int, default=5)
    parser.add_argument("--shot", type=int, default=1)
    parser.add_argument("--query", type=int, default=1)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args(arguments)
    figures = run(
        num_episodes=options.episodes,
        num_videos=options.videos,
        way=options.way,
        shot=options.shot,
        query=options.query,
    )
    for name, value in figures.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key}: {number:.2f}" for key, number in value.items())
        elif isinstance(value, float):
            value = f"{value:.2f}"
        print(f"{name:<30}{value}")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
