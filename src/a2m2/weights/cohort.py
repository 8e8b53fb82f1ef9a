"""A network's cohort in its file: descriptors of some clips that it was trained on, see :mod:`a2m2.matching.cohort`.

They are kept in half precision: a cohort says how alike strangers are, on average.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from a2m2.model import FewShotModel
from a2m2.moments import candidate_windows
from a2m2.structures import Descriptors
from a2m2.train_settings import NetworkSettings

PREFIX = "cohort."
"""Begins the names of its tensors, and of none of a network."""


def cohort_tensors(cohort: Descriptors) -> dict[str, Tensor]:
    """What a file keeps of a cohort."""
    return {f"{PREFIX}values": cohort.values.half(), f"{PREFIX}energy": cohort.energy.float()}


def cohort_of(
    tensors: Mapping[str, Tensor], network: FewShotModel, settings: NetworkSettings
) -> Descriptors | None:
    """The cohort among the tensors of a file; None where there is none.

    Raises:
        ValueError: tensors of other shapes than the network's descriptors.
    """
    kept = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}
    if not kept:
        return None
    if kept.keys() != {"values", "energy"}:
        raise ValueError(f"a cohort of {', '.join(sorted(kept))}, expected energy and values")
    encoder, num_frames = network.encoder, settings.video.num_frames
    windows, scale = candidate_windows(num_frames, encoder.scales)
    values, energy = kept["values"].float(), kept["energy"].float()
    expected = (len(windows), sum(encoder.dims))
    if not len(values) or values.shape[1:] != expected or energy.shape != (len(values), num_frames):
        raise ValueError(
            f"a cohort of shapes {tuple(values.shape)} and {tuple(energy.shape)}, expected {expected} and "
            f"({num_frames},) a clip"
        )
    if not (values.isfinite().all() and energy.isfinite().all()):
        raise ValueError("a cohort that is not finite")
    return Descriptors(
        values=values,
        spans=windows.float().expand(len(values), -1, -1),
        windows=windows,
        scale=scale,
        energy=energy,
        mean=encoder.mean,
        blocks=encoder.block_sizes,
    )


def without_cohort(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the network alone."""
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(PREFIX)}
