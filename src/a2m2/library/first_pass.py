"""The first pass: a graph over mean descriptors that names the contents worth comparing exactly.

The means of each scale's candidates are projected on the leading directions of the collection and kept in half
precision in a navigable graph (HNSW, Malkov and Yashunin 2018) of the library usearch, whose file is memory-mapped.
usearch was chosen over faiss: one small wheel without a BLAS or an OpenMP of its own, which would meet those of torch
in one process, and its graph has the same bytes each time it is made by one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from a2m2.errors import ConfigError
from a2m2.library.checked_files import check_whole, save_checked, write_checked
from a2m2.matching.units import unit_candidates
from a2m2.structures import Descriptors
from a2m2.weights import pack_tensors, read_tensors

SMALLEST = 1000
"""Contents up to which a collection is searched whole, without a first pass."""

DIM = 256
"""Most entries of a vector in the graph."""

_SAMPLE = 4096
"""Contents, evenly spaced, that the projection is fitted on."""
_LINKS, _EFFORT = 16, 128
_BLOCK = 1024
_CURE = "run 'a2m2 index' again, which makes it anew"


@dataclass(frozen=True, eq=False)
class FirstPass:
    """A graph and the projection that goes before it.

    Attributes:
        basis: ``(dim, direction)`` orthonormal columns.
        graph: of usearch; its keys are rows of the catalogue.
    """

    basis: Float[np.ndarray, "dim direction"]
    graph: Any

    def nearest(self, examples: Descriptors, count: int) -> Int[np.ndarray, "candidate"]:
        """Rows of about the ``count`` contents whose means are most alike to those of the examples on average."""
        query = scale_means(examples).mean(0).numpy()
        # The graph looks no further than its effort, which must be more than is asked for.
        self.graph.expansion_search = max(_EFFORT, 2 * count)
        return np.asarray(self.graph.search(query @ self.basis, count, threads=1).keys, dtype=np.int64)


def scale_means(descriptors: Descriptors) -> Float[Tensor, "clip dim"]:
    """What the first pass knows of a clip: the mean of its centred unit candidates at each scale, end to end.

    Each mean is made a unit vector, so that a dot product of two clips is the mean over the scales of the cosines of
    their means, times the number of scales. Means forget when things happen, which transport forgives anyway.
    """
    units = unit_candidates(descriptors)
    means = [units[:, descriptors.scale == scale].mean(1) for scale in descriptors.scale.unique()]
    return torch.cat([functional.normalize(mean, dim=-1) for mean in means], dim=-1)


def leading_directions(means: Float[Tensor, "clip dim"], number: int) -> Float[np.ndarray, "dim direction"]:
    """Orthonormal directions that hold most of the means' squared length, so that dot products are kept best."""
    _, _, directions = torch.linalg.svd(means.double(), full_matrices=False)
    return directions[:number].T.float().contiguous().numpy()


def write_first_pass(
    folder: Path,
    rows: Int[np.ndarray, "content"],
    describe: Callable[[Int[np.ndarray, "some"]], Descriptors],
    *,
    progress: Callable[[str, int, int], None],
) -> tuple[str, ...]:
    """Make a graph of contents and write it; returns the names of its two files.

    Args:
        folder: of the index.
        rows: of the contents, ascending.
        describe: descriptors of some of them; they are asked for a block at a time.
        progress: told after every block.

    Raises:
        ConfigError: usearch is not installed.
        OutputError: it cannot be written.
    """
    sample = np.unique(np.linspace(0, len(rows) - 1, _SAMPLE).astype(np.int64))
    blocks = (rows[sample[start : start + _BLOCK]] for start in range(0, len(sample), _BLOCK))
    basis = leading_directions(torch.cat([scale_means(describe(block)) for block in blocks]), DIM)
    graph = _library().Index(
        ndim=basis.shape[1],
        metric="cos",
        dtype="f16",
        connectivity=_LINKS,
        expansion_add=_EFFORT,
        enable_key_lookups=False,
    )
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        # One thread: with more the graph depends on which of them is faster.
        graph.add(block, scale_means(describe(block)).numpy() @ basis, threads=1)
        progress("linking contents", start + len(block), len(rows))
    content = pack_tensors({"basis": torch.from_numpy(basis)})
    directions = write_checked(folder, "directions", ".safetensors", content)
    return directions.name, save_checked(folder, "graph", ".usearch", lambda path: graph.save(str(path))).name


def open_first_pass(folder: Path, names: tuple[str, ...]) -> FirstPass:
    """The first pass of an index, checked; its graph is mapped.

    Raises:
        RecordError: a file is missing or damaged.
        ConfigError: usearch is not installed.
    """
    library = _library()
    for name in names:
        check_whole(folder / name, cure=_CURE)
    directions, graph = names
    _, tensors = read_tensors(folder / directions)
    return FirstPass(tensors["basis"].numpy(), library.Index.restore(str(folder / graph), view=True))


def require_library() -> None:
    """Refuse to begin what would need usearch at its end.

    Raises:
        ConfigError: usearch is not installed.
    """
    _library()


def _library() -> Any:
    try:
        import usearch.index
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "usearch":
            raise
        raise ConfigError(
            f"an index of more than {SMALLEST} clips needs usearch; run: pip install 'a2m2[search]'"
        ) from None
    return usearch.index
