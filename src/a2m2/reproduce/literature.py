"""What other methods are published with, to stand beside what was measured here.

The figures were collected from tables of later papers, not from each method's own: they are unverified, and are shown
as such. Papers differ in queries an episode, in lists and in how weights were selected, so a point more or less says
little.
"""

from __future__ import annotations

from dataclasses import dataclass

from a2m2.data.lists import Benchmark

CAVEAT = (
    "published: 5-way, ResNet-50 with ImageNet weights, as later papers quote it; unverified. Queries, lists and the "
    "choice of weights differ between papers"
)
"""Shown wherever a published figure is."""


@dataclass(frozen=True)
class Published:
    """One method on one benchmark.

    Attributes:
        method: its name.
        source: the paper that proposes it.
        accuracy: number of shots to accuracy in percent; shots without a known figure are left out.
    """

    method: str
    source: str
    accuracy: dict[int, float]


_SOURCES = {
    "OTAM": "Cao et al., CVPR 2020",
    "TRX": "Perrett et al., CVPR 2021",
    "STRM": "Thatipelli et al., CVPR 2022",
    "HyRSM": "Wang et al., CVPR 2022",
    "HyRSM++": "Wang et al., Pattern Recognition 2024",
    "MoLo": "Wang et al., CVPR 2023",
    "GgHM": "Xing et al., ICCV 2023",
    "A²M²-Net": "arXiv 2509.17638, from a summary",
}

_SHOTS = (1, 3, 5)

_Row = tuple[float | None, float | None, float | None]

_ACCURACY: dict[Benchmark, dict[str, _Row]] = {
    "ssv2-full": {
        "OTAM": (42.8, 51.5, 52.3),
        "TRX": (42.0, 57.6, 64.6),
        "STRM": (43.1, 59.9, 68.1),
        "HyRSM": (54.3, 65.1, 69.0),
        "HyRSM++": (55.0, 66.0, 69.8),
        "MoLo": (56.6, 67.0, 70.6),
        "GgHM": (54.5, None, 69.2),
        "A²M²-Net": (56.7, None, 74.1),
    },
    "ssv2-small": {
        "OTAM": (36.4, 45.9, 48.0),
        "TRX": (36.0, 51.9, 56.7),
        "STRM": (37.1, 49.2, 55.3),
        "HyRSM": (40.6, 52.3, 56.1),
        "HyRSM++": (42.8, 52.4, 58.0),
        "MoLo": (42.7, 52.9, 56.4),
    },
    "kinetics-100": {
        "OTAM": (73.0, 78.7, 85.8),
        "TRX": (63.6, 81.1, 85.9),
        "STRM": (62.9, 81.1, 86.7),
        "HyRSM": (73.7, 83.5, 86.1),
        "HyRSM++": (74.0, 83.9, 86.4),
        "MoLo": (74.0, 83.7, 85.6),
        "GgHM": (74.9, None, 87.4),
    },
    "ucf-101": {
        "OTAM": (79.9, 87.0, 88.9),
        "TRX": (78.2, 92.4, 96.1),
        "STRM": (80.5, 92.7, 96.9),
        "HyRSM": (83.9, 93.0, 94.7),
        "HyRSM++": (85.8, 93.5, 95.9),
        "MoLo": (86.0, 93.5, 95.5),
        "GgHM": (85.2, None, 96.3),
    },
    "hmdb-51": {
        "OTAM": (54.5, 65.7, 68.0),
        "TRX": (53.1, 66.8, 75.6),
        "STRM": (52.3, 67.4, 77.3),
        "HyRSM": (60.3, 71.7, 76.0),
        "HyRSM++": (61.5, 72.7, 76.4),
        "MoLo": (60.8, 72.0, 77.4),
        "GgHM": (61.2, None, 76.9),
    },
}


def published_accuracies(benchmark: Benchmark) -> tuple[Published, ...]:
    """The methods with a figure on ``benchmark``, in the order of their years."""
    rows = _ACCURACY[benchmark].items()
    return tuple(
        Published(
            method,
            _SOURCES[method],
            {shot: value for shot, value in zip(_SHOTS, values, strict=True) if value is not None},
        )
        for method, values in rows
    )
