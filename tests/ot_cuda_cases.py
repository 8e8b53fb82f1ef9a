"""Problems for the GPU's solver, and what it makes of them in Numba's simulator: a program for a process of its own.

NUMBA_ENABLE_CUDASIM=1 python tests/ot_cuda_cases.py FILE
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import torch

from a2m2.bench.ot_problems import FAMILIES
from a2m2.ot import TransportError
from a2m2.ot import cuda as gpu

Problems = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

SMALL = {f"{name}, 3 by 4": (name, 1, 3, 4) for name in FAMILIES}
LARGER = {
    "one by one": ("random", 2, 1, 1),
    "a row": ("random", 1, 1, 5),
    "a column": ("random", 1, 5, 1),
    "walks, 14 by 14": ("walks", 1, 14, 14),
    "assignment, 14 by 14": ("assignment", 1, 14, 14),
    "zero weights, 9 by 12": ("zero weights", 1, 9, 12),
    "integers, two words": ("integers", 1, 15, 19),
    "walks, three words": ("walks", 1, 33, 34),
}
CASES = {**SMALL, **LARGER}
"""Name to family, batch, rows and columns."""


def problems(case: tuple[str, int, int, int], dtype: torch.dtype = torch.float64) -> Problems:
    """The problems of a case."""
    name, *sizes = case
    batch = FAMILIES[name](np.random.default_rng(7), *sizes)
    cost, a, b = (torch.from_numpy(array).to(dtype) for array in batch)
    return cost, a, b


def refused() -> dict[str, Problems]:
    """Second problems that no solver takes."""
    cost, a, b = problems(("random", 2, 2, 3))
    wrong = {name: [tensor.clone() for tensor in (cost, a, b)] for name in "cab"}
    wrong["c"][0][1, 1, 2] = torch.nan
    wrong["a"][1][1, 0] = -0.5
    wrong["b"][2][1] *= 2
    none = [tensor.clone() for tensor in (cost, a, b)]
    none[2][1] = 0
    infinite = [tensor.clone() for tensor in (cost, a, b)]
    infinite[1][1, 1] = torch.inf
    return {
        "a NaN": (*wrong["c"],),  # type: ignore[dict-item]
        "a negative weight": (*wrong["a"],),  # type: ignore[dict-item]
        "unequal sums": (*wrong["b"],),  # type: ignore[dict-item]
        "no weight": (*none,),  # type: ignore[dict-item]
        "an infinite weight": (*infinite,),  # type: ignore[dict-item]
    }


def main(path: Path) -> None:
    """Solve everything in the simulator and keep the results."""
    # Threads that wait for each other make little of Python's five milliseconds each.
    sys.setswitchinterval(1e-4)
    solved = {name: gpu.solve(*problems(case)) for name, case in CASES.items()}
    single = problems(CASES["walks, 3 by 4"], torch.float32)
    solved["single"] = gpu.solve(*single)
    values = gpu.solve_values(*single)
    messages = {}
    for name, wrong in refused().items():
        try:
            gpu.solve(*wrong)
        except TransportError as error:
            messages[name] = f"{type(error).__name__}: {error}"
    gpu.pivot_cap = lambda *sizes: 0
    try:
        gpu.solve(*problems(CASES["walks, 14 by 14"]))
    except TransportError as error:
        messages["no pivots"] = f"{type(error).__name__}: {error}"
    results = {
        name: {
            "plan": one.plan,
            "value": one.value,
            "potentials": one.potentials,
            "degenerate": one.degenerate,
            "tied": one.tied,
            "evidence": (
                one.certificate.marginal_error,
                one.certificate.least_reduced_cost,
                one.certificate.gap,
            ),
        }
        for name, one in solved.items()
    }
    path.write_bytes(pickle.dumps((results, (values.value, values.potentials), messages)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
