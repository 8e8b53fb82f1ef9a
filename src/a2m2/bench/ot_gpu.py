"""How fast is exact transport on a GPU, beside the host's solver with all of its threads?

    python -m a2m2.bench.ot_gpu [--rounds N] [--json FILE]
    python -m a2m2.bench.tables docs/transport.md --mark ot-gpu --figures FILE

Problems are cosine costs of random walks in float32, as in :mod:`a2m2.bench.ot`. *Kernel* is the GPU's time between two
events, launches queued behind each other; *call* is :func:`a2m2.ot.cuda.solve_values` with tensors there, its check
of the outcome included; *from the host* begins with pageable tensors and ends with values there. The host solves the
same problems by :func:`a2m2.ot.solve_values`. The rounds are interleaved. Before any of it all values and
certificates of the GPU are compared with those of the host. Under a minute; it needs a CUDA device.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from a2m2.bench.figures import FigureTable, command, write_figures
from a2m2.bench.options import add_seed, measurement_parser
from a2m2.bench.ot_problems import walks
from a2m2.errors import A2M2Error
from a2m2.ot import cuda as gpu
from a2m2.ot import solve_values
from a2m2.ot.plan import DeviceResults
from a2m2.ot.solver import pivot_cap

SIZES = ((14, 1000), (14, 100_000), (56, 10_000))
"""Nodes and batch."""

LIMITS = (None, 80, 64)
"""Most registers of a thread that are tried: more warps have room, and more numbers are kept outside of registers."""

QUEUED = 5
"""Launches between two events."""

SM_REGISTERS = 65_536
"""Registers of an SM of every GPU since Maxwell (2014)."""

SM_BLOCKS = 32
"""Blocks of an SM; 16 or 24 on some small GPUs."""

SHARED_OF_SYSTEM = 1024
"""Bytes of shared memory that CUDA keeps of every block."""


class Batch(NamedTuple):
    """Problems of one size, and where their results go."""

    inputs: tuple[Tensor, Tensor, Tensor]
    results: DeviceResults
    status: Tensor


def problems(nodes: int, batch: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Costs and weights on the host, float32."""
    generator = np.random.default_rng(seed)
    parts = [
        [array.astype(np.float32) for array in walks(generator, min(2000, batch - at), nodes, nodes)]
        for at in range(0, batch, 2000)
    ]
    cost, a, b = (torch.from_numpy(np.concatenate(arrays)) for arrays in zip(*parts, strict=True))
    return cost, a, b


def run(*, rounds: int = 7, seed: int = 0, json_path: Path | None = None, called: str = "") -> dict[str, Any]:
    """Measure, print, and write as JSON if a path is given.

    Args:
        rounds: interleaved rounds.
        seed: of the problems.
        json_path: file to write.
        called: the command, for the file.

    Raises:
        A2M2Error: no CUDA device.
        GpuError: no CUDA target of Numba.
    """
    if not torch.cuda.is_available():
        raise A2M2Error(
            "no CUDA device here, and this measures one; the host's solver: python -m a2m2.bench.ot"
        )
    start = time.perf_counter()
    speeds = [measure(nodes, batch, rounds, seed) for nodes, batch in SIZES]
    tables = [table.measured_by(called) for table in (_speed_table(speeds), _occupancy_table(speeds))]
    for table in tables:
        print(f"{table.text()}\n", flush=True)
    result = {
        "seed": seed,
        "rounds": rounds,
        "device": torch.cuda.get_device_name(),
        "numba-cuda": _target_version(),
        "threads": torch.get_num_threads(),
        "speeds": speeds,
        "seconds": time.perf_counter() - start,
    }
    write_figures(json_path, tables, **result)
    return result


def measure(nodes: int, batch: int, rounds: int, seed: int) -> dict[str, Any]:
    """Seconds of one batch by each way, medians over the rounds; agreement with the host; what a problem takes."""
    here = problems(nodes, batch, seed)
    cost, a, b = (tensor.cuda() for tensor in here)
    start = time.perf_counter()
    solved = gpu.solve(cost, a, b)
    first = time.perf_counter() - start
    expected = solve_values(*here)
    place = Batch(
        (cost.view(-1), a, b),
        DeviceResults(
            plan=cost.new_empty((batch, 0, 0)),
            value=cost.new_empty(batch),
            u=torch.empty_like(a),
            v=torch.empty_like(b),
            evidence=cost.new_empty((3, batch), dtype=torch.float64),
            flags=cost.new_empty((2, batch), dtype=torch.uint8),
        ),
        cost.new_empty(batch, dtype=torch.uint8),
    )
    kernels = {limit: gpu.kernel_for(nodes, nodes, cost.dtype, limit) for limit in LIMITS}
    for kernel in kernels.values():
        _kernel_seconds(place, kernel)
    kernel = gpu.kernel_for(nodes, nodes, cost.dtype, gpu.registers_for(nodes, nodes))
    ways: dict[str, Callable[[], float]] = {
        "call": lambda: _wall(lambda: gpu.solve_values(cost, a, b).value),
        "from the host": lambda: _wall(
            lambda: gpu.solve_values(*(tensor.cuda() for tensor in here)).value.cpu()
        ),
        "host": lambda: _wall(lambda: solve_values(*here).value),
        "kernel": partial(_kernel_seconds, place, kernel),
        **{_limit(limit): partial(_kernel_seconds, place, other) for limit, other in kernels.items()},
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seconds[name].append(way())
    return {
        "nodes": nodes,
        "batch": batch,
        "first call": first,
        "seconds": {name: statistics.median(spent) for name, spent in seconds.items()},
        "times faster": {
            name: statistics.median(
                host / ours for host, ours in zip(seconds["host"], seconds[name], strict=True)
            )
            for name in ("kernel", "call", "from the host")
        },
        "largest difference": float((solved.value.cpu() - expected.value).abs().max()),
        "largest gap": float(solved.certificate.gap.max()),
        "largest marginal error": float(solved.certificate.marginal_error.max()),
        "least reduced cost": float(solved.certificate.least_reduced_cost.min()),
        "occupancy": {_limit(limit): _occupancy(nodes, other) for limit, other in kernels.items()},
    }


def _target_version() -> str | None:
    """Of Numba's CUDA target; None where it is Numba's own."""
    try:
        return metadata.version("numba-cuda")
    except metadata.PackageNotFoundError:
        return None


def _limit(registers: int | None) -> str:
    return "no limit" if registers is None else f"{registers} at most"


def _wall(function: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    start = time.perf_counter()
    function()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def _kernel_seconds(place: Batch, kernel: Any) -> float:
    """GPU time of one launch; the queue is filled while the GPU waits, so that it does not wait for the host."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    _, a, b = place.inputs
    max_pivots = pivot_cap(a.shape[1], b.shape[1])
    torch.cuda._sleep(40_000_000)
    begin.record()
    for _ in range(QUEUED):
        gpu.launch(place.inputs, place.results, place.status, max_pivots, with_plan=False, kernel=kernel)
    end.record()
    torch.cuda.synchronize()
    return float(begin.elapsed_time(end)) / 1e3 / QUEUED


def _occupancy(nodes: int, kernel: Any) -> dict[str, int]:
    """What a problem takes of an SM, and how many have room in it at once; the kernel has run."""
    shared = gpu.shared_bytes(nodes, nodes, torch.float32)
    registers = max(kernel.get_regs_per_thread().values())
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    return {
        "shared bytes": shared,
        "registers": registers,
        "local bytes": max(kernel.get_local_mem_per_thread().values()),
        "warps an SM": min(
            properties.shared_memory_per_multiprocessor // (shared + SHARED_OF_SYSTEM),
            SM_REGISTERS // (-(-registers // 8) * 8 * 32),
            SM_BLOCKS,
        ),
    }


def _speed_table(speeds: list[dict[str, Any]]) -> FigureTable:
    rows = []
    for speed in speeds:
        rate = {name: speed["batch"] / spent for name, spent in speed["seconds"].items()}
        times = speed["times faster"]
        rows.append(
            (
                f"n = {speed['nodes']}, batch {speed['batch']:,}",
                *(round(rate[name]) for name in ("kernel", "call", "from the host", "host")),
                *(times[name] for name in ("kernel", "call", "from the host")),
            )
        )
    largest = max(speed["largest difference"] for speed in speeds)
    gap = max(speed["largest gap"] for speed in speeds)
    return FigureTable(
        "Problems a second",
        (
            "problems",
            "kernel",
            "call",
            "from the host",
            "host",
            "kernel, times the host",
            "call, times",
            "from the host, times",
        ),
        tuple(rows),
        note=f"{torch.cuda.get_device_name()}; the host with {torch.get_num_threads()} threads; float32, no plans. All "
        f"values are those of the host to {largest:.1e}, largest gap {gap:.1e}. The first call, which compiles the "
        f"kernel, took {speeds[0]['first call']:.1f} s.",
    )


def _occupancy_table(speeds: list[dict[str, Any]]) -> FigureTable:
    names = ("shared bytes", "registers", "local bytes", "warps an SM")
    rows = [
        (
            f"n = {speed['nodes']}, batch {speed['batch']:,}, {limit}",
            *(occupancy[name] for name in names),
            speed["seconds"][limit] / speed["batch"] * 1e9,
        )
        for speed in speeds
        for limit, occupancy in speed["occupancy"].items()
    ]
    return FigureTable(
        "Registers and occupancy",
        ("problems, registers", *names, "kernel, ns a problem"),
        tuple(rows),
        note="Registers and local bytes are those of a thread; warps an SM is what shared memory, registers and the "
        f"{SM_BLOCKS} blocks of an SM leave room for.",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and measure; 1 where there is no GPU."""
    parser = measurement_parser("ot_gpu", __doc__)
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds (7)")
    add_seed(parser, "the problems")
    options = parser.parse_args(arguments)
    try:
        run(
            rounds=options.rounds,
            seed=options.seed,
            json_path=options.json,
            called=command("ot_gpu", arguments),
        )
    except (A2M2Error, gpu.GpuError) as error:
        print(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
