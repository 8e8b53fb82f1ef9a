"""Is the transport solver right, always, and how fast is it? A plain program that measures both.

    python -m a2m2.bench.ot [--battery N] [--rounds N] [--json FILE]

The battery: problems of every family below, from 1 by 1 to 130 by 100 nodes, in float64. Each must come back
with a certificate, and its value must be that of POT's ``ot.emd2``, which solves every one of them too.
Errors are given relative to the largest cost times the total mass.

The speed: POT's ``ot.emd`` and OpenCV's ``cv2.EMD`` (what DeepEMD calls) against :func:`a2m2.ot.solve` on
the same
problems: cosine costs of random walks, in float32. One thread each, measured in its own CPU time so that
other work on the machine counts little; the rounds are interleaved and the ratio is the median over rounds.
Ours includes everything from tensors in to a ``TransportPlan`` out; theirs get arrays in the form they want
and return a flow.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from a2m2.checks import write_text_atomic
from a2m2.errors import A2M2Error
from a2m2.ot import TransportPlan, UncertifiedError, solve

Array = NDArray[np.float64]


class Batch(NamedTuple):
    """Problems of one size: costs ``(batch, row, column)``, weights ``(batch, row)``, ``(batch, column)``."""

    cost: Array
    a: Array
    b: Array


SIZES = {
    (1, 1): 2,
    (1, 7): 2,
    (7, 1): 2,
    (2, 2): 4,
    (3, 4): 8,
    (4, 3): 8,
    (8, 8): 16,
    (7, 14): 8,
    (14, 14): 30,
    (16, 16): 6,
    (15, 17): 6,
    (17, 15): 6,
    (32, 32): 5,
    (33, 31): 3,
    (56, 56): 2,
    (65, 63): 1,
    (100, 130): 1,
    (130, 100): 1,
}
"""Numbers of nodes and how often each is drawn; they straddle the sizes of a lane block and of a word."""


def walks(generator: np.random.Generator, batch: int, rows: int, columns: int) -> Batch:
    """Cosine costs of two noisy views of one random walk, cross-reference weights: clips of one class."""
    path = generator.standard_normal((batch, max(rows, columns), 64)).cumsum(1) * 0.35
    path += 0.5 * generator.standard_normal((batch, 1, 64))
    query = path[:, :rows] + generator.standard_normal((batch, rows, 64))
    support = path[:, :columns] + generator.standard_normal((batch, columns, 64))
    query /= np.linalg.norm(query, axis=-1, keepdims=True)
    support /= np.linalg.norm(support, axis=-1, keepdims=True)
    cosine = query @ support.transpose(0, 2, 1)
    return Batch(1 - cosine, _share(cosine.mean(2).clip(0) + 1e-3), _share(cosine.mean(1).clip(0) + 1e-3))


def _share(weights: Array) -> Array:
    return weights / weights.sum(-1, keepdims=True)


def _uniform(batch: Batch) -> Batch:
    return Batch(batch.cost, _share(np.ones_like(batch.a)), _share(np.ones_like(batch.b)))


def _random(generator: np.random.Generator, batch: int, rows: int, columns: int) -> Batch:
    a, b = generator.random((batch, rows)) + 1e-3, generator.random((batch, columns)) + 1e-3
    return Batch(generator.random((batch, rows, columns)), _share(a), _share(b))


def _integers(generator: np.random.Generator, batch: int, rows: int, columns: int) -> Batch:
    a = generator.integers(1, 4, (batch, rows)).astype(float)
    b = generator.integers(1, 4, (batch, columns)).astype(float)
    cost = generator.integers(0, 4, (batch, rows, columns)).astype(float)
    return Batch(cost, a * b.sum(-1, keepdims=True), b * a.sum(-1, keepdims=True))


def _zero_weights(generator: np.random.Generator, batch: int, rows: int, columns: int) -> Batch:
    cost, a, b = _random(generator, batch, rows, columns)
    a, b = a * (generator.random(a.shape) < 0.6), b * (generator.random(b.shape) < 0.6)
    a[:, 0] += 0.1
    b[:, -1] += 0.1
    return Batch(cost, _share(a), _share(b))


def _dominant(generator: np.random.Generator, batch: int, rows: int, columns: int) -> Batch:
    cost, a, b = walks(generator, batch, rows, columns)
    a, b = np.full_like(a, 1e-9), np.full_like(b, 1e-9)
    a[:, rows // 2] = 1
    b[:, columns // 3] = 1
    return Batch(cost, _share(a), _share(b))


def _decades(generator: np.random.Generator, batch: int, rows: int, columns: int) -> Batch:
    cost, a, b = walks(generator, batch, rows, columns)
    return Batch(
        cost, _share(10 ** (-12 * generator.random(a.shape))), _share(10 ** (-12 * generator.random(b.shape)))
    )


def _line(generator: np.random.Generator, batch: int, rows: int, columns: int) -> Batch:
    x, y = (generator.integers(0, 10, (batch, count, 1)).astype(float) for count in (rows, columns))
    return _uniform(Batch(np.abs(x - y.transpose(0, 2, 1)), x[:, :, 0], y[:, :, 0]))


def _separable(generator: np.random.Generator, batch: int, rows: int, columns: int) -> Batch:
    _, a, b = _random(generator, batch, rows, columns)
    return Batch(generator.random((batch, rows, 1)) + generator.random((batch, 1, columns)), a, b)


def _costs(change: Callable[[Array], Array]) -> Callable[[np.random.Generator, int, int, int], Batch]:
    def family(generator: np.random.Generator, batch: int, rows: int, columns: int) -> Batch:
        cost, a, b = walks(generator, batch, rows, columns)
        return Batch(change(cost), a, b)

    return family


SPEED_SIZES = ((14, 125), (14, 1000), (56, 100))
"""Nodes and batch of the speed measurement: an episode of 125 pairs, eight of them, longer videos."""

FAMILIES: dict[str, Callable[[np.random.Generator, int, int, int], Batch]] = {
    "walks": walks,
    "walks, uniform weights": lambda *sizes: _uniform(walks(*sizes)),
    "random": _random,
    "assignment": lambda *sizes: _uniform(_random(*sizes)),
    "integers": _integers,
    "all costs equal": _costs(lambda cost: np.full_like(cost, 0.7)),
    "all costs zero": _costs(np.zeros_like),
    "zero weights": _zero_weights,
    "one dominant weight": _dominant,
    "12 decades of weights": _decades,
    "points on a line": _line,
    "separable costs": _separable,
    "separable, uniform weights": lambda *sizes: _uniform(_separable(*sizes)),
    "costs x 1e6": _costs(lambda cost: cost * 1e6),
    "costs x 1e-9": _costs(lambda cost: cost * 1e-9),
    "costs x 1e300": _costs(lambda cost: cost * 1e300),
    "costs x 1e-300": _costs(lambda cost: cost * 1e-300),
    "negative costs": _costs(lambda cost: cost - 0.3),
    "costs that float32 cannot tell apart": _costs(lambda cost: 1 + 1e-9 * cost),
    "12 decades of costs": _costs(lambda cost: 10 ** (-12 * cost.clip(0, 1))),
}
"""Problem families of the battery: name to ``(generator, batch, rows, columns) -> Batch``."""


def run(
    *, battery: int = 100_000, rounds: int = 15, seed: int = 0, json_path: Path | None = None
) -> dict[str, Any]:
    """Run both measurements, print them, and write them as JSON if a path is given.

    Args:
        battery: number of problems of the battery, 0 for none.
        rounds: interleaved rounds of the speed measurement, 0 for none.
        seed: of all problems.
        json_path: file to write.

    Raises:
        A2M2Error: POT or OpenCV is not installed.
    """
    result: dict[str, Any] = {"seed": seed, "versions": _versions(), "machine": platform.machine()}
    if battery:
        result["battery"] = run_battery(battery, seed=seed)
        _print_battery(result["battery"])
    if rounds:
        result["speed"] = [measure_speed(*sizes, rounds, seed=seed) for sizes in SPEED_SIZES]
        _print_speed(result["speed"])
    if json_path is not None:
        write_text_atomic(json_path, json.dumps(result, indent=2) + "\n")
    return result


def run_battery(num_problems: int, *, seed: int = 0) -> dict[str, Any]:
    """Solve ``num_problems`` of all families and sizes; counts and largest errors by family and overall."""
    families = {}
    for index, (name, family) in enumerate(FAMILIES.items()):
        generator = np.random.default_rng((seed, index))
        share = num_problems * (index + 1) // len(FAMILIES) - num_problems * index // len(FAMILIES)
        families[name] = _run_family(family, generator, share)
    counts = {key: sum(row[key] for row in families.values()) for key in ("problems", "certified")}
    errors = {
        key: max(row[key] for row in families.values())
        for key in ("marginal_error", "negative_reduced_cost", "gap", "difference_to_pot")
    }
    return {**counts, **errors, "families": families}


def _run_family(
    family: Callable[[np.random.Generator, int, int, int], Batch], generator: np.random.Generator, share: int
) -> dict[str, Any]:
    row = {
        "problems": 0,
        "certified": 0,
        "degenerate": 0,
        "tied": 0,
        "marginal_error": 0.0,
        "negative_reduced_cost": 0.0,
        "gap": 0.0,
        "difference_to_pot": 0.0,
    }
    for (rows, columns), count in _draw_sizes(generator, share).items():
        batch = family(generator, count, rows, columns)
        row["problems"] += count
        try:
            solved = solve(*map(torch.from_numpy, batch))
        except UncertifiedError:
            continue
        row["certified"] += count
        row["degenerate"] += int(solved.degenerate.sum())
        row["tied"] += int(solved.tied.sum())
        for key, error in _errors(batch, solved).items():
            row[key] = max(row[key], float(error.max()))
    return row


def _draw_sizes(generator: np.random.Generator, share: int) -> dict[tuple[int, int], int]:
    frequency = np.array(list(SIZES.values()), float)
    counts = generator.multinomial(share, frequency / frequency.sum())
    return {size: int(count) for size, count in zip(SIZES, counts, strict=True) if count}


def _errors(batch: Batch, solved: TransportPlan) -> dict[str, Array]:
    """Errors of each problem relative to its largest cost and its mass."""
    largest = np.abs(batch.cost).max((1, 2))
    largest[largest == 0] = 1.0
    mass = batch.a.sum(1)
    u, v = (potential.numpy() for potential in solved.potentials)
    least = ((batch.cost - u[:, :, None] - v[:, None, :]) / largest[:, None, None]).min((1, 2))
    reference = np.array(
        [_pot_value(cost / scale, a, b) for cost, a, b, scale in zip(*batch, largest, strict=True)]
    )
    return {
        "marginal_error": solved.certificate.marginal_error.numpy() / mass,
        "negative_reduced_cost": np.maximum(-least, 0.0),
        "gap": solved.certificate.gap.numpy() / largest / mass,
        "difference_to_pot": np.abs(solved.value.numpy() / largest / mass - reference),
    }


def _pot_value(cost: Array, a: Array, b: Array) -> float:
    """POT's optimal value for weights normalised to 1."""
    value, log = _pot().emd2(_share(a), _share(b), cost, numItermax=10_000_000, log=True)
    if log["warning"] is not None:
        raise A2M2Error(f"POT gave up on a reference problem of shape {cost.shape}: {log['warning']}")
    return float(value)


def measure_speed(nodes: int, batch: int, rounds: int, *, seed: int = 0) -> dict[str, Any]:
    """Microseconds a problem, and how many times faster we are, at ``nodes`` by ``nodes``, in one thread."""
    cv2, pot = _opencv(), _pot()
    exact = walks(np.random.default_rng(seed), batch, nodes, nodes)
    cost, a, b = (array.astype(np.float32) for array in exact)
    tensors = [torch.from_numpy(array) for array in (cost, a, b)]
    columns_of_a, columns_of_b = a[:, :, None], b[:, :, None]
    solvers = {
        "a2m2": lambda: solve(*tensors, num_threads=1).value.tolist(),
        "opencv": lambda: [
            cv2.EMD(columns_of_a[k], columns_of_b[k], cv2.DIST_USER, cost[k])[0] for k in range(batch)
        ],
        "pot": lambda: [pot.emd(exact.a[k], exact.b[k], exact.cost[k]) for k in range(batch)],
    }
    values = solvers["a2m2"]()
    reference = [_pot_value(*problem) for problem in zip(*exact, strict=True)]
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        seconds: dict[str, list[float]] = {name: [] for name in solvers}
        for _ in range(rounds):
            for name, solver in solvers.items():
                seconds[name].append(_thread_seconds(solver))
    finally:
        cv2.setNumThreads(threads)
    return {
        "nodes": nodes,
        "batch": batch,
        "rounds": rounds,
        "microseconds": {name: statistics.median(spent) / batch * 1e6 for name, spent in seconds.items()},
        "times_faster_than": {
            name: statistics.median(
                theirs / ours for theirs, ours in zip(seconds[name], seconds["a2m2"], strict=True)
            )
            for name in ("opencv", "pot")
        },
        "largest_difference_to_pot": float(np.abs(np.subtract(values, reference)).max()),
    }


def _thread_seconds(function: Callable[[], object]) -> float:
    start = time.thread_time()
    function()
    return time.thread_time() - start


def _pot() -> Any:
    try:
        import ot
    except ImportError as error:
        raise A2M2Error("the comparison needs POT; install it with pip install 'a2m2[compare]'") from error
    return ot


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise A2M2Error("the comparison needs OpenCV; install it with pip install 'a2m2[compare]'") from error
    return cv2


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("numba", "numpy", "torch")}


def _print_battery(battery: dict[str, Any]) -> None:
    heading = ("family", "problems", "certified", "degen.", "tied", "marginal", "reduced", "gap", "to POT")
    print("{:37} {:>8} {:>9} {:>7} {:>7} {:>9} {:>9} {:>9} {:>9}".format(*heading))
    line = "{:37} {:8d} {:9d} {:7d} {:7d} {:9.1e} {:9.1e} {:9.1e} {:9.1e}"
    for name, row in battery["families"].items():
        print(line.format(name, *row.values()))
    print(
        f"{battery['certified']:,} of {battery['problems']:,} certified; relative to the largest cost times "
        f"the mass, largest gap {battery['gap']:.1e}, largest difference to POT "
        f"{battery['difference_to_pot']:.1e}"
    )


def _print_speed(speeds: list[dict[str, Any]]) -> None:
    for speed in speeds:
        spent, times = speed["microseconds"], speed["times_faster_than"]
        print(
            f"n = {speed['nodes']}, batch {speed['batch']}, µs a problem: a2m2 {spent['a2m2']:.2f}, "
            f"cv2.EMD {spent['opencv']:.1f} ({times['opencv']:.1f} times), "
            f"ot.emd {spent['pot']:.1f} ({times['pot']:.1f} times)"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        prog="python -m a2m2.bench.ot",
        description="Certify the transport solver on many problems and time it against POT and OpenCV.",
        epilog="examples:\n"
        "  python -m a2m2.bench.ot                          everything, with 100,000 problems (minutes)\n"
        "  python -m a2m2.bench.ot --battery 2000           a short battery, then the speed\n"
        "  python -m a2m2.bench.ot --battery 0 --json s.json   the speed alone, kept as JSON",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--battery", type=int, default=100_000, help="problems of the battery, 0 for none (100000)"
    )
    parser.add_argument(
        "--rounds", type=int, default=15, help="rounds of the speed measurement, 0 for none (15)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all problems (0)")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write all figures to FILE")
    options = parser.parse_args(arguments)
    run(battery=options.battery, rounds=options.rounds, seed=options.seed, json_path=options.json)


if __name__ == "__main__":
    main()
