"""How the transport solver uses a machine: threads beside bare loops, memory, vector width."""

from __future__ import annotations

import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from a2m2.bench.figures import Cell, FigureTable
from a2m2.bench.memory import peak_mib
from a2m2.bench.ot_problems import walks
from a2m2.errors import A2M2Error
from a2m2.ot import solve, solve_values
from a2m2.ot.addresses import address_table
from a2m2.ot.kernel import solve_at
from a2m2.ot.workspace import make_workspace

Vector = NDArray[np.float32]

THREAD_SIZES = ((14, 4000), (56, 400), (512, 8))
"""Nodes and batch of the thread measurement: several milliseconds of work for each thread."""

WIDTHS = {"this machine": "", "AVX2 (haswell)": "haswell"}
"""What the kernel is compiled for: a name for Numba's ``NUMBA_CPU_NAME``."""


@njit(nogil=True, cache=False)
def _chain(memory: Vector, steps: int) -> float:
    state = 1
    for _ in range(steps):
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
    return float(state)


@njit(nogil=True, cache=False)
def _chains(memory: Vector, steps: int) -> float:
    a, b, c, d, e, f, g, h = 1, 2, 3, 4, 5, 6, 7, 8
    for _ in range(steps):
        a, b, c, d = (a ^ (a << 3)) + 1, (b ^ (b << 3)) + 1, (c ^ (c << 3)) + 1, (d ^ (d << 3)) + 1
        e, f, g, h = (e ^ (e << 3)) + 1, (f ^ (f << 3)) + 1, (g ^ (g << 3)) + 1, (h ^ (h << 3)) + 1
    return float(a + b + c + d + e + f + g + h)


@njit(nogil=True, cache=False)
def _scale(memory: Vector, steps: int) -> float:
    for _ in range(steps):
        for k in range(memory.size):
            memory[k] = memory[k] * np.float32(0.5) + np.float32(0.5)
    return float(memory[0])


BARE_LOOPS = {
    "one chain in registers": (_chain, 1, 20_000_000),
    "eight chains in registers": (_chains, 1, 10_000_000),
    "multiply and add, 16 KiB": (_scale, 2**12, 40_000),
    "multiply and add, 64 MiB": (_scale, 2**24, 4),
}
"""Loops that show what the machine gives to a second thread: a function, its float32 values a thread, its steps."""


def walk_tensors(nodes: int, batch: int, *, seed: int) -> list[Tensor]:
    """Float32 problems of the family of walks."""
    return [
        torch.from_numpy(array.astype(np.float32))
        for array in walks(np.random.default_rng(seed), batch, nodes, nodes)
    ]


def threads(rounds: int, *, num_threads: int = 2, seed: int = 0) -> FigureTable:
    """What so many threads gain over one: loops without our code, then ``solve`` at three sizes."""
    loads: dict[str, Callable[[int], object]] = {}
    for name, (loop, size, steps) in BARE_LOOPS.items():
        memories = [np.ones(size, np.float32) for _ in range(num_threads)]

        def looped(
            count: int,
            loop: Callable[[Vector, int], float] = loop,
            memories: list[Vector] = memories,
            steps: int = steps,
        ) -> object:
            with ThreadPoolExecutor(count) as pool:
                return list(pool.map(loop, memories[:count], [steps // count] * count))

        loads[name] = looped
    for nodes, batch in THREAD_SIZES:
        problem = walk_tensors(nodes, batch, seed=seed)

        def solved(count: int, problem: list[Tensor] = problem) -> object:
            return solve(*problem, num_threads=count)

        loads[f"solve, n = {nodes}, batch {batch:,}"] = solved
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in loads}
    for load in loads.values():
        load(1)
    for _ in range(rounds):
        for name, load in loads.items():
            seconds[name].append((_seconds(load, 1), _seconds(load, num_threads)))
    rows = []
    for name, pairs in seconds.items():
        alone, together = (1e3 * statistics.median(times) for times in zip(*pairs, strict=True))
        best = [1e3 * min(times) for times in zip(*pairs, strict=True)]
        rows.append((name, alone, together, statistics.median(x / y for x, y in pairs), best[0] / best[1]))
    return FigureTable(
        f"{num_threads} threads against one",
        ("load", "1 thread, ms", f"{num_threads} threads, ms", "times faster", "best over best"),
        tuple(rows),
        note=f"Wall time, medians over {rounds} interleaved rounds. The loops show what the machine gives to a second "
        "thread at that time, other work on it included: to steps that wait for one another, to steps that do not, to "
        "vectors in the first cache, to vectors in memory.",
    )


def _seconds(load: Callable[[int], object], count: int) -> float:
    start = time.perf_counter()
    load(count)
    return time.perf_counter() - start


def memory(nodes: int = 56, batches: tuple[int, ...] = (1000, 10_000)) -> FigureTable:
    """What solving adds to the highest resident memory of a process that holds the problems."""
    rows = []
    for batch in batches:
        for name in ("solve", "solve_values"):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                costs, added = pool.apply(_added_memory, (name, nodes, batch))
            rows.append((f"{name}, n = {nodes}, batch {batch:,}", costs, added))
    return FigureTable(
        "Memory",
        ("call", "costs, MiB", "added by the call, MiB"),
        tuple(rows),
        note="Highest resident memory, float32, each call in a process of its own that has solved one problem before.",
    )


def _added_memory(name: str, nodes: int, batch: int) -> tuple[float, float]:
    solver = {"solve": solve, "solve_values": solve_values}[name]
    generator = torch.Generator().manual_seed(0)
    cost = torch.rand(batch, nodes, nodes, generator=generator)
    weight = torch.full((batch, nodes), 1 / nodes)
    solver(cost[:1], weight[:1], weight[:1], num_threads=1)
    before = peak_mib()
    solver(cost, weight, weight, num_threads=1)
    return cost.numel() * 4 / 2**20, peak_mib() - before


def widths(*, seed: int = 0) -> FigureTable:
    """The same kernel compiled for narrower vectors, each in a process of its own."""
    rows: list[tuple[Cell, ...]] = []
    for name, cpu in WIDTHS.items():
        # With a name alone Numba still adds the features of the machine.
        environment = os.environ | ({"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": ""} if cpu else {})
        done = subprocess.run(
            [sys.executable, "-c", f"from a2m2.bench.ot_scaling import print_width; print_width({seed})"],
            env=dict(environment),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise A2M2Error(f"the kernel compiled for {name} failed: {done.stderr.strip()[-300:]}")
        cells = done.stdout.strip().splitlines()[-1].split()
        rows.append((name, *map(float, cells[:3]), *map(int, cells[3:])))
    return FigureTable(
        "Vector width",
        (
            "compiled for",
            "n = 14, µs",
            "n = 56, µs",
            "n = 512, µs",
            "zmm",
            "ymm",
            "xmm",
            "into masks",
            "gathers",
        ),
        tuple(rows),
        note="µs a problem, CPU time of one thread, best of the rounds; then machine instructions of the kernel by the "
        "widest register that they name, compares that end in a mask register, and gathers.",
    )


def print_width(seed: int) -> None:
    """Time three sizes with the kernel as this process compiles it, and count its instructions."""
    best = []
    for nodes, batch in ((14, 1000), (56, 100), (512, 3)):
        problem = walk_tensors(nodes, batch, seed=seed)
        solve(*problem, num_threads=1)
        spent = []
        for _ in range(9):
            start = time.thread_time()
            solve(*problem, num_threads=1)
            spent.append((time.thread_time() - start) / batch * 1e6)
        best.append(min(spent))
    print(*best, *instruction_counts())


def instruction_counts() -> tuple[int, int, int, int, int]:
    """Instructions of the float32 kernel that name 512-, 256- and 128-bit registers, compares into masks, gathers."""
    kernel = njit(nogil=True, error_model="numpy", _nrt=False)(solve_at)
    work = make_workspace(2, 2)
    results = (np.zeros(shape, np.float32) for shape in ((0, 2, 2), 0, (0, 2), (0, 2)))
    kernel(
        *(0, 0, 0, 0, 2, 2, 0, 0, 0, address_table(work), np.zeros(20, np.float32), *results),
        *(np.zeros((3, 0)), np.zeros((2, 0), np.bool_)),
    )
    (text,) = kernel.inspect_asm().values()
    lines = [
        line.strip() for line in text.splitlines() if line.startswith("\t") and not line.startswith("\t.")
    ]
    widest = [next((name for name in ("zmm", "ymm", "xmm") if name in line), "") for line in lines]
    compares = sum(re.match(r"v?p?cmp.*%k\d", line) is not None for line in lines)
    gathers = sum("gather" in line.split()[0] for line in lines)
    return widest.count("zmm"), widest.count("ymm"), widest.count("xmm"), compares, gathers
