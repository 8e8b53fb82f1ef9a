"""What is measured against size: one piece of work for each size, what its cost should grow like, and why."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from a2m2.bench.episodes import Protocol, simulated_descriptors
from a2m2.bench.ot_problems import walks
from a2m2.bench.search import queries_of, write_rest, write_shards
from a2m2.bench.simulated_library import CLASSES, CLIPS, make_simulator
from a2m2.eval.runner import Contestant, run_episodes
from a2m2.eval.sources import FixedSource
from a2m2.library import open_library
from a2m2.library.eyes import read_eyes, write_eyes
from a2m2.library.search import CANDIDATES
from a2m2.matching import A2Matcher, pair_cosines
from a2m2.moments import DEFAULT_SCALES, candidate_windows
from a2m2.networks import m2_block
from a2m2.nn import Reduction
from a2m2.ot import solve
from a2m2.recognize.encoders import TrainedEncoder
from a2m2.recognize.origin import DEFAULT_ORIGIN
from a2m2.settings import M2Settings
from a2m2.structures import Descriptors
from a2m2.weights import load_network

Work = Callable[[], object]
DIM, NODES = 2080, 14


@dataclass(frozen=True)
class Curve:
    """Cost against one size.

    Attributes:
        name: short, for the command line.
        size: what is varied.
        sizes: in rising order.
        prepare: gives the work of one size.
        expected: exponent that the cost should have at the upper sizes.
        reason: why, in a sentence.
        most_rounds: rounds that are worth their time.
    """

    name: str
    size: str
    sizes: tuple[int, ...]
    prepare: Callable[[int], Work]
    expected: str
    reason: str
    most_rounds: int = 1000


def doubled(first: int, number: int) -> tuple[int, ...]:
    """``number`` sizes, each twice the one before."""
    return tuple(first << step for step in range(number))


def videos(count: int, *, nodes: int = NODES, dim: int = DIM, seed: int = 0) -> Descriptors:
    """Random walks over candidates; windows only count."""
    generator = torch.Generator().manual_seed(seed)
    starts = torch.arange(nodes)
    windows = torch.stack([starts, starts + 1], dim=1)
    return Descriptors(
        values=2 + torch.randn(count, nodes, dim, generator=generator).cumsum_(1),
        spans=windows.float().repeat(count, 1, 1),
        windows=windows,
        scale=torch.zeros(nodes, dtype=torch.int64),
        energy=torch.ones(count, nodes),
        mean=torch.full((dim,), 2.0),
    )


def _frames(size: int) -> Work:
    maps = torch.randn(2, size, 64, 7, 7, generator=torch.Generator().manual_seed(0))
    block = m2_block(M2Settings(calibration="none"), Reduction.identity(64))
    return lambda: block.moments(maps)


def _gram(*, nodes: int = NODES, dim: int = DIM, query: int = 25, support: int = 5) -> Work:
    queries, supports = videos(query, nodes=nodes, dim=dim), videos(support, nodes=nodes, dim=dim, seed=1)
    return lambda: pair_cosines(queries, supports)


def _transport(size: int) -> Work:
    batch = walks(np.random.default_rng(0), 4, size, size)
    cost, a, b = (torch.from_numpy(array) for array in batch)
    return lambda: solve(cost, a, b, num_threads=1)


def _match(way: int, shot: int) -> Work:
    queries, supports = videos(25), videos(way * shot, seed=1)
    labels = torch.arange(way).repeat_interleave(shot)
    matcher = A2Matcher(num_threads=1)
    return lambda: matcher(supports, labels, queries, num_classes=way)


def _episodes(size: int, *, share: bool) -> Work:
    protocol = Protocol(5, 1, 1, 120)
    source = FixedSource(simulated_descriptors(protocol.videos, seed=0))
    contestants = [Contestant("a2", source, A2Matcher(num_threads=1))]
    draw = protocol.sampler().episode

    def work() -> None:
        for record in run_episodes(contestants, draw, size, num_threads=1, share=share):
            record.to_line()

    return work


class _Collections:
    """Simulated collections of several sizes, each drawn once; they are removed with the process."""

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp())
        atexit.register(shutil.rmtree, self._root, ignore_errors=True)
        self._sizes: list[int] = []
        first = self._place(0)
        write_eyes(first, TrainedEncoder(load_network(DEFAULT_ORIGIN.name), DEFAULT_ORIGIN))
        self.encoder = read_eyes(first)
        windows, scale = candidate_windows(self.encoder.video.num_frames, DEFAULT_SCALES)
        generator = torch.Generator().manual_seed(0)
        count, mean = CLASSES * CLIPS, self.encoder.mean
        assert mean is not None  # the shipped network has one
        walk = torch.randn(count, len(windows), len(mean), generator=generator).cumsum_(1)
        like = Descriptors(
            values=walk + mean,
            spans=windows.float().expand(count, -1, -1),
            windows=windows,
            scale=scale,
            energy=torch.ones(count, self.encoder.video.num_frames),
            mean=mean,
        )
        self._simulator = make_simulator(like, actions=200, seed=0)
        self.queries = queries_of(self._simulator, 8)

    def folder(self, size: int) -> Path:
        """Shards of so many clips and what is needed beside them; the clips of smaller collections come first."""
        place = self._place(size)
        if size not in self._sizes:
            smaller = max((one for one in self._sizes if one < size), default=0)
            shutil.copytree(self._place(smaller), place, dirs_exist_ok=True)
            write_shards(place, self._simulator, size)
            self._sizes.append(size)
        return place

    def index(self, size: int) -> Work:
        """The work that makes catalogue and sketches."""
        folder = self.folder(size)
        return lambda: write_rest(folder, self.encoder, size)

    def search(self, size: int, *, exhaustive: bool) -> Work:
        """The work that compares queries with a collection."""
        self.index(size)()
        library = open_library(self.folder(size))
        candidates = len(library) if exhaustive else CANDIDATES
        return lambda: [library.rank(query, candidates=candidates) for query in self.queries]

    def _place(self, size: int) -> Path:
        place = self._root / f"{size}"
        place.mkdir(exist_ok=True)
        return place


@functools.cache
def _collections() -> _Collections:
    return _Collections()


CURVES = (
    Curve(
        "frames",
        "frames of a clip, described from feature maps",
        doubled(4, 6),
        _frames,
        "1",
        "windows at two scales are about twice as many as frames, each with a covariance and a root of fixed size; "
        "above 1 where these matrices, 8 MB at 128 frames, leave the caches (inferred)",
    ),
    Curve(
        "candidates-gram",
        "candidates of a video, cosines",
        doubled(7, 6),
        lambda size: _gram(nodes=size, query=8, support=8),
        "2",
        "every candidate of one video meets every one of the other: n² products of length D",
    ),
    Curve(
        "candidates-transport",
        "candidates of a video, transport",
        doubled(7, 7),
        _transport,
        "2 to 2.5",
        "n² costs are read, and again for the certificate; pivots are some n, and each prices a part of the arcs",
    ),
    Curve(
        "dimension",
        "length of a descriptor, cosines",
        doubled(260, 6),
        lambda size: _gram(dim=size),
        "1",
        "products and norms are sums over D; what follows them does not depend on it",
    ),
    Curve(
        "ways",
        "classes of an episode with 25 queries",
        doubled(3, 6),
        lambda size: _match(size, 1),
        "1",
        "each query meets one support of each class, from below since small products are less efficient; queries that "
        "grow in number with the classes make it 2",
    ),
    Curve(
        "shots",
        "supports a class, 5 classes, 25 queries",
        doubled(1, 6),
        lambda size: _match(5, size),
        "1",
        "each query meets every support video, from below since small products are less efficient",
    ),
    Curve(
        "episodes",
        "episodes, each matched",
        doubled(25, 5),
        lambda size: _episodes(size, share=False),
        "1",
        "episodes do not know each other",
    ),
    Curve(
        "episodes-shared",
        "episodes of 120 videos, pairs shared",
        doubled(500, 6),
        lambda size: _episodes(size, share=True),
        "below 1, towards 1",
        "scoring all pairs once is a constant; what an episode adds is drawing, looking up and writing",
    ),
    Curve(
        "index",
        "clips of a collection, catalogue and sketches",
        doubled(1024, 4),
        lambda size: _collections().index(size),
        "1 or less",
        "each clip is sketched by itself; the sketcher is fitted on as many clips whatever the size",
        most_rounds=2,
    ),
    Curve(
        "search",
        "clips of a collection, two passes",
        doubled(1024, 4),
        lambda size: _collections().search(size, exhaustive=False),
        "0 to 1",
        "as many clips are compared exactly whatever the size; only the quick look at all summaries grows with it",
    ),
    Curve(
        "search-exhaustive",
        "clips of a collection, every one compared",
        doubled(256, 5),
        lambda size: _collections().search(size, exhaustive=True),
        "1",
        "one exact comparison a clip",
        most_rounds=3,
    ),
)
