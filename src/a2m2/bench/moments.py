"""Time of every statistic of the M² block, forward and with the backward pass, beside the second order's.

    OMP_NUM_THREADS=1 python -m a2m2.bench.moments
    python -m a2m2.bench.moments --clips 4 --channels 128 --rounds 10

Maps of noise, as calibrated channels, through the block without its reduction. Rounds take turns through the
statistics, and the least processor time of each counts: other work on the machine slows all of them, and never speeds
one up.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from a2m2.bench.options import measurement_parser
from a2m2.networks import m2_block
from a2m2.nn import M2Block, Reduction
from a2m2.settings import M2Settings

BASELINE = "second"
STATISTICS: dict[str, M2Settings] = {
    "second": M2Settings(),
    "first": M2Settings(order="first"),
    "first+second": M2Settings(order="first+second"),
    "third": M2Settings(order="third"),
    "brownian": M2Settings(order="brownian"),
    "second, root none": M2Settings(root="none"),
    "second, root cholesky": M2Settings(root="cholesky"),
    "second, root log_euclidean": M2Settings(root="log_euclidean"),
}


@dataclass(frozen=True)
class Times:
    """Least processor time of one statistic [s].

    Attributes:
        length: of a descriptor.
        forward: without gradients.
        both: forward and backward.
    """

    length: int
    forward: float
    both: float


def measure(
    *, clips: int = 20, frames: int = 8, channels: int = 64, side: int = 14, rounds: int = 5
) -> dict[str, Times]:
    """Times of all statistics on the same maps ``(clips, frames, channels, side, side)``."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(clips, frames, channels, side, side, generator=generator)
    still = {name: some.model_copy(update={"calibration": "none"}) for name, some in STATISTICS.items()}
    blocks = {name: m2_block(some, Reduction.identity(channels)) for name, some in still.items()}
    forward: dict[str, list[float]] = {name: [] for name in blocks}
    both: dict[str, list[float]] = {name: [] for name in blocks}
    for _ in range(rounds):
        for name, block in blocks.items():
            forward[name].append(_seconds(_forward, block, maps))
            both[name].append(_seconds(_forward_and_backward, block, maps))
    return {name: Times(block.dim, min(forward[name]), min(both[name])) for name, block in blocks.items()}


@torch.no_grad()
def _forward(block: M2Block, maps: Tensor) -> None:
    block.moments(maps)


def _forward_and_backward(block: M2Block, maps: Tensor) -> None:
    block.moments(maps.detach().requires_grad_()).square().sum().backward()


def _seconds(work: Callable[[M2Block, Tensor], None], block: M2Block, maps: Tensor) -> float:
    begin = time.process_time()
    work(block, maps)
    return time.process_time() - begin


def table(times: dict[str, Times]) -> str:
    """One line a statistic; ratios are to the second order's times."""
    base = times[BASELINE]
    lines = [f"{'statistic':<28}{'length':>7}{'forward':>10}{'ratio':>7}{'both':>10}{'ratio':>7}"]
    lines += [
        f"{name:<28}{some.length:>7}{1000 * some.forward:>7.1f} ms{some.forward / base.forward:>7.2f}"
        f"{1000 * some.both:>7.1f} ms{some.both / base.both:>7.2f}"
        for name, some in times.items()
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = measurement_parser("moments", __doc__)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--frames", type=int, default=8, help="of a clip, at least 4")
    parser.add_argument("--channels", type=int, default=64, help="after calibration")
    parser.add_argument("--side", type=int, default=14, help="of a map")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    times = measure(
        clips=options.clips,
        frames=options.frames,
        channels=options.channels,
        side=options.side,
        rounds=options.rounds,
    )
    print(table(times))
    if options.json is not None:
        figures = {name: asdict(some) for name, some in times.items()}
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
