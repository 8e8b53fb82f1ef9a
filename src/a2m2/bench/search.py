"""Searching large libraries: recall and cost of both passes against comparing everything, time and memory by size.

    python -m a2m2.bench.search --out /tmp/library
    python -m a2m2.bench.search --out /tmp/library --sizes 1000 10000 20000 100000 1000000 --json search.json
    python -m a2m2.bench.tables docs/search.md --mark search --figures search.json

Clips are simulated (:mod:`a2m2.bench.simulated_library`: the statistics are those of descriptors of rendered clips, by
the shipped network); shards, catalogue, first pass and search are those of ``a2m2 index`` and ``a2m2 search``. What is
written is kept: the same command goes on from there, after a kill, too. Memory does not grow with the shards. Queries
are clips that are not in the library. Times are those of one thread; costs that are compared are CPU times. The exact
descriptors take about 33 kB a clip on disk: 33 GB for a million.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from a2m2.bench.figures import FigureTable, command, figures_markdown, machine, write_figures
from a2m2.bench.marks import fill_marks
from a2m2.bench.options import add_out, add_seed, measurement_parser
from a2m2.bench.simulated_library import (
    BLOCK,
    CLIPS,
    Simulator,
    make_simulator,
    rendered_descriptors,
)
from a2m2.eval.describe import concatenate
from a2m2.library.catalogue import make_catalogue, write_catalogue
from a2m2.library.contents import Contents
from a2m2.library.eyes import FILE as EYES
from a2m2.library.eyes import read_eyes, write_eyes
from a2m2.library.first_pass import first_pass_files, write_first_pass
from a2m2.library.quantise import dequantise, quantise
from a2m2.library.search import CANDIDATES, Library, open_library, pair_means
from a2m2.library.shards import map_shard, rows_of, shard_files, shard_number, write_shard
from a2m2.recognize.encoders import ClipEncoder, TrainedEncoder
from a2m2.recognize.origin import DEFAULT_ORIGIN
from a2m2.structures import Descriptors
from a2m2.weights import load_network, read_tensors, write_tensors

TOP = 10
_RENDERED = "rendered.safetensors"
_FIELDS = ("values", "spans", "energy", "windows", "scale")
_CURVE = (
    "open s",
    "first search ms",
    "search ms",
    "of it first pass ms",
    "peak MiB",
    "making the first pass s",
    "catalogue s",
    "first pass bytes a clip",
    "shard bytes a clip",
)


def simulator_in(folder: Path, encoder: ClipEncoder, *, actions: int, seed: int) -> Simulator:
    """The simulator of a folder; rendered clips are described once and kept there."""
    path = folder / _RENDERED
    if not path.is_file():
        rendered = rendered_descriptors(encoder, seed=seed)
        write_tensors(path, {name: getattr(rendered, name) for name in _FIELDS})
    _, kept = read_tensors(path)
    values, spans, energy, windows, scale = (kept[name].clone() for name in _FIELDS)
    rendered = Descriptors(values, spans, windows, scale, energy, encoder.mean)
    return make_simulator(rendered, actions=actions, seed=seed)


def write_shards(folder: Path, simulator: Simulator, size: int, *, jobs: int = 1) -> dict[str, float]:
    """Bring the shards up to ``size`` clips, in so many processes; CPU seconds a clip of what was missing."""
    there = set(map(shard_number, shard_files(folder)))
    missing = [number for number in range(-(-size // BLOCK)) if number not in there]
    if not missing:
        return {}
    write = partial(_write_block, folder, simulator)
    start = time.perf_counter()
    spent = []
    with contextlib.ExitStack() as stack:
        results: Iterator[tuple[float, float]] = map(write, missing)
        if jobs > 1 and len(missing) > 100:
            context = multiprocessing.get_context("spawn")
            pool = stack.enter_context(context.Pool(jobs, _begin_job, (write,)))
            results = pool.imap_unordered(_job, missing, chunksize=4)
        for done, seconds in enumerate(results, 1):
            spent.append(seconds)
            _tell("drawing clips", done * BLOCK, len(missing) * BLOCK)
    clips = len(missing) * BLOCK
    drawing, writing = np.sum(spent, axis=0) / clips
    elapsed = time.perf_counter() - start
    return {
        "clips drawn": clips,
        "drawing, CPU ms a clip": 1e3 * drawing,
        "writing a shard, CPU ms a clip": 1e3 * writing,
        "seconds of both": elapsed,
    }


def _write_block(folder: Path, simulator: Simulator, number: int) -> tuple[float, float]:
    start = time.process_time()
    drawn = simulator.block(number)
    middle = time.process_time()
    write_shard(folder, number, [f"{number * BLOCK + row:032x}" for row in range(BLOCK)], [rows_of(drawn)])
    return middle - start, time.process_time() - middle


_write: Callable[[int], tuple[float, float]]


def _begin_job(write: Callable[[int], tuple[float, float]]) -> None:
    """Of a process: the simulator comes once."""
    global _write
    torch.set_num_threads(1)
    _write = write


def _job(number: int) -> tuple[float, float]:
    return _write(number)


def write_rest(folder: Path, encoder: ClipEncoder, size: int, *, jobs: int = 1) -> dict[str, float]:
    """Catalogue and first pass of the first clips; seconds and bytes."""
    start = time.perf_counter()
    shards = [map_shard(path) for path in shard_files(folder)[: -(-size // BLOCK)]]
    digests = [digest for shard in shards for digest in shard.digests][:size]
    clips = {f"clips/{number:07d}.mp4": digest for number, digest in enumerate(digests)}
    catalogue = make_catalogue(clips, [(shard.path.name, shard.digests) for shard in shards])
    contents = Contents(folder, encoder, catalogue)
    middle = time.perf_counter()
    names = write_first_pass(contents, num_threads=jobs, progress=_tell)
    sketched = time.perf_counter()
    write_catalogue(folder, replace(catalogue, first_pass=names))
    end = time.perf_counter()
    directions, summaries, sketches = ((folder / name).stat().st_size for name in names)
    for path in first_pass_files(folder):
        if path.name not in names:
            path.unlink()
    return {
        "catalogue s": middle - start + end - sketched,
        "making the first pass s": sketched - middle,
        "directions bytes": directions,
        "first pass bytes a clip": (summaries + sketches) / size,
        "of them summary": summaries / size,
        "shard bytes a clip": sum(shard.path.stat().st_size for shard in shards) / sum(map(len, shards)),
    }


def queries_of(simulator: Simulator, number: int) -> list[Descriptors]:
    """Clips that are in no library, one by one."""
    blocks = [simulator.block(-1 - block) for block in range(-(-number // BLOCK))]
    drawn = concatenate(blocks)
    return [drawn[torch.tensor([row])] for row in range(number)]


def compare(library: Library, queries: Sequence[Descriptors], *, candidates: int) -> dict[str, float]:
    """Recall@10 of both passes against comparing every clip, and what each costs."""
    # Every shard is checked and mapped before anything is timed.
    library.rank(queries[0], candidates=len(library))
    found, whole, short = [], [], []
    for number, query in enumerate(queries, 1):
        start = time.process_time()
        exact, _ = library.rank(query, candidates=len(library))
        middle = time.process_time()
        rows, _ = library.rank(query, candidates=candidates)
        short.append(time.process_time() - middle)
        whole.append(middle - start)
        found.append(len(set(exact[:TOP]) & set(rows[:TOP])) / TOP)
        _tell("exhaustive queries", number, len(queries))
    recall = np.array(found)
    return {
        "clips": len(library),
        "queries": len(queries),
        "compared exactly": candidates,
        "recall@10": float(recall.mean()),
        "±": float(1.96 * recall.std() / len(recall) ** 0.5),
        "exhaustive, CPU ms": 1e3 * float(np.median(whole)),
        "both passes, CPU ms": 1e3 * float(np.median(short)),
        "share of the cost %": 100 * float(np.sum(short) / np.sum(whole)),
    }


def search_alone(folder: str, queries: Sequence[Descriptors], candidates: int) -> dict[str, float]:
    """Times and memory of a process that does nothing but search."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    library = open_library(Path(folder))
    opened = time.perf_counter()
    library.rank(queries[0], candidates=candidates)
    first = time.perf_counter()
    named, whole = [], []
    for query in queries:
        begun = time.perf_counter()
        library.candidates(query, candidates)
        named.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        library.rank(query, candidates=candidates)
        whole.append(time.perf_counter() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "open s": opened - start,
        "first search ms": 1e3 * (first - opened),
        "search ms": 1e3 * float(np.median(whole)),
        "of it first pass ms": 1e3 * float(np.median(named)),
        "peak MiB": peak / (2**20 if sys.platform == "darwin" else 2**10),
    }


def likeness(library: Library, simulator: Simulator) -> dict[str, dict[str, float]]:
    """Scores over τ and cosines of summaries, rendered and simulated: mean and spread for one action and for two."""
    drawn = concatenate([simulator.block(-1000 - number) for number in range(2)])
    action = torch.cat([simulator.actions(-1000 - number) for number in range(2)]).numpy()
    rendered = simulator.rendered
    label = np.arange(len(rendered)) // CLIPS
    return {"rendered": _likeness(library, rendered, label), "simulated": _likeness(library, drawn, action)}


def quantisation(library: Library, simulator: Simulator) -> dict[str, float]:
    """What a byte an entry does to the scores of the rendered clips, over τ."""
    rendered = simulator.rendered
    values = dequantise(*quantise(rendered.values, rendered.blocks), rendered.blocks)
    stored = replace(rendered, values=values)
    errors = [
        np.abs(pair_means(library.matcher, one, rendered) - pair_means(library.matcher, one, stored))
        for one in (rendered[torch.tensor([index])] for index in range(len(rendered)))
    ]
    tau = float(library.matcher.temperature().detach())
    return {"largest": float(np.max(errors)) / tau, "mean": float(np.mean(errors)) / tau}


def _likeness(library: Library, descriptors: Descriptors, label: np.ndarray) -> dict[str, float]:
    tau = float(library.matcher.temperature().detach())
    every = range(len(descriptors))
    score = (
        np.stack([pair_means(library.matcher, descriptors[torch.tensor([i])], descriptors) for i in every])
        / tau
    )
    assert library.first_pass is not None
    summaries = library.first_pass.sketcher.sketch(descriptors).summaries.astype(np.float32)
    summaries /= np.linalg.norm(summaries, axis=1, keepdims=True)
    cosine = summaries @ summaries.T
    upper = np.triu(np.ones_like(score, bool), 1)
    same = label[:, None] == label[None]
    kinds = {"one action": upper & same, "two actions": upper & ~same}
    return {
        f"{what}, {kind}, {name}": float(function(values[mask]))
        for what, values in (("score", score), ("cosine", cosine))
        for kind, mask in kinds.items()
        if mask.any()
        for name, function in (("mean", np.mean), ("spread", np.std))
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    folder: Path = options.out
    if not (folder / EYES).is_file():
        write_eyes(folder, TrainedEncoder(load_network(DEFAULT_ORIGIN.name), DEFAULT_ORIGIN))
    encoder = read_eyes(folder)
    simulator = simulator_in(folder, encoder, actions=options.actions, seed=options.seed)
    queries = queries_of(simulator, options.queries)
    figures: dict[str, Any] = {"share": simulator.share}
    curve: dict[int, dict[str, float]] = {}
    for size in sorted({*options.sizes, options.exhaustive}):
        written = write_shards(folder, simulator, size, jobs=options.jobs)
        curve[size] = {**written, **write_rest(folder, encoder, size, jobs=options.jobs)}
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            curve[size] |= pool.apply(search_alone, (str(folder), queries, options.candidates))
        if size == options.exhaustive:
            library = open_library(folder)
            figures["likeness"] = likeness(library, simulator)
            figures["quantisation"] = quantisation(library, simulator)
            compared = queries[: options.exhaustive_queries]
            figures["compared"] = compare(library, compared, candidates=options.candidates)
        # Written after every size: the last ones take long.
        tables = search_tables(figures, curve, command("search", arguments))
        write_figures(options.json, tables, curve=curve, **figures)
    for table in tables:
        print(f"\n{table.text()}")
    if options.into is not None:
        fill_marks(options.into, {"search": figures_markdown(tables, {"machine": machine()})})


def search_tables(
    figures: Mapping[str, Any], curve: Mapping[int, Mapping[str, float]], measured_by: str
) -> list[FigureTable]:
    """What was measured: recall and cost, times and bytes by size, and how like rendered clips the simulated are."""
    tables = []
    if "compared" in figures:
        compared = figures["compared"]
        note = (
            "Interval: 95 % over queries. CPU times of one thread, medians. A byte an entry changes a score by "
            f"{figures['quantisation']['largest']:.4f} τ at most, {figures['quantisation']['mean']:.5f} τ on average."
        )
        tables.append(
            FigureTable(
                "Searching against comparing every clip", tuple(compared), (tuple(compared.values()),), note
            )
        )
    rows = [(size, *(float(row[name]) for name in _CURVE)) for size, row in curve.items()]
    notes = _drawing_note(curve)
    if len(curve) > 2:
        times = [row["search ms"] for row in curve.values()]
        slope, fixed = np.polyfit(list(curve), times, 1)
        # On a busy machine the noise may be larger than what the size adds.
        if slope > 0:
            notes.append(
                f"A line through the times of a search: {fixed:.0f} ms and {1e6 * slope:.0f} ms a million clips."
            )
    plot = {"x": "clips", "y": ["search ms", "of it first pass ms"]}
    title = "A search by the size of the library"
    tables.append(FigureTable(title, ("clips", *_CURVE), tuple(rows), " ".join(notes), plot=plot))
    if "likeness" in figures:
        clips = figures["likeness"]
        likeness_rows = tuple(
            (what, *(one[what] for one in clips.values())) for what in next(iter(clips.values()))
        )
        note = f"Scores over τ, cosines of summaries. ρ = {figures['share']:.3f}."
        tables.append(
            FigureTable("Rendered and simulated clips", ("pairs of clips", *clips), likeness_rows, note)
        )
    return [table.measured_by(measured_by) for table in tables]


def _drawing_note(curve: Mapping[int, Mapping[str, float]]) -> list[str]:
    drawn = [row for row in curve.values() if "clips drawn" in row]
    if not drawn:
        return []
    weights = [row["clips drawn"] for row in drawn]
    drawing, writing = (
        np.average([row[f"{what}, CPU ms a clip"] for row in drawn], weights=weights)
        for what in ("drawing", "writing a shard")
    )
    seconds = sum(row["seconds of both"] for row in drawn)
    return [
        f"Drawing {sum(weights):,.0f} clips and writing their shards took {seconds:,.0f} s "
        f"({drawing:.2f} and {writing:.2f} CPU ms a clip)."
    ]


def _parser() -> argparse.ArgumentParser:
    parser = measurement_parser("search", __doc__)
    add_out(parser, "the simulated index")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[1000, 10_000, 20_000], help="clips in the library"
    )
    parser.add_argument("--exhaustive", type=int, default=20_000, help="size at which everything is compared")
    parser.add_argument("--queries", type=int, default=100, help="searches that are timed at each size")
    parser.add_argument("--exhaustive-queries", type=int, default=50, help="of them, against everything")
    parser.add_argument("--jobs", type=int, default=2, help="processes that draw, threads that sketch")
    parser.add_argument("--candidates", type=int, default=CANDIDATES, help="clips compared exactly")
    parser.add_argument("--actions", type=int, default=1000, help="prototypes")
    parser.add_argument("--into", type=Path, help="Markdown file with the marks 'search'")
    add_seed(parser, "prototypes, clips and queries", default=1)
    return parser


def _tell(what: str, done: int, total: int) -> None:
    step = max(1, total // 10)
    if done >= total or done % step < BLOCK:
        print(f"{what}: {done}/{total}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
