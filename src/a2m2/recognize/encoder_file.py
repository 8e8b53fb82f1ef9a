"""An encoder inside a file of ours: what its header says, its tensors, and the way back. No code of the file is run.

A trained network lies in the file whole. A frozen backbone is named, with the digest of its weights: it is opened
again and compared. The filter bank has no weights.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from torch import Tensor

from a2m2.errors import ConfigError, WeightsError
from a2m2.eval.describe import Fit
from a2m2.methods import METHODS
from a2m2.networks import build_network
from a2m2.nn import build_backbone, load_backbone
from a2m2.reading import mapping_of, shorten, why
from a2m2.recognize.encoders import ClipEncoder, FrozenEncoder, TrainedEncoder
from a2m2.recognize.origin import Origin
from a2m2.train_settings import NetworkSettings
from a2m2.weights import (
    SavedNetwork,
    check_finite,
    check_network,
    check_settings,
    cohort_of,
    fill,
    named,
    network_digest,
    without_cohort,
)

_PREFIX = "encoder."
"""Begins the names of the encoder's tensors."""

_UNUSABLE = (LookupError, AttributeError, TypeError, ValueError, ArithmeticError, RuntimeError, ConfigError)
"""What building from a file raises whose checksum fits, but whose content does not."""


def encoder_header(encoder: ClipEncoder) -> dict[str, Any]:
    """All of an encoder but its tensors, ready for JSON."""
    return {
        "origin": asdict(encoder.origin),
        "settings": encoder.settings.model_dump(mode="json"),
        "architecture": encoder.architecture,
        "weights_digest": encoder.digest,
        "provenance": dict(encoder.provenance),
    }


def encoder_tensors(encoder: ClipEncoder) -> dict[str, Tensor]:
    """Its tensors, by names that begin like no others."""
    return {f"{_PREFIX}{name}": tensor for name, tensor in encoder.tensors().items()}


def encoder_of(
    path: Path, header: Mapping[str, Any], tensors: Mapping[str, Tensor], *, again: str
) -> ClipEncoder:
    """Inverse of the other two.

    Args:
        path: the file, for errors.
        header: holds at least what :func:`encoder_header` gave.
        tensors: holds at least what :func:`encoder_tensors` gave.
        again: how to make the file anew, for errors.

    Raises:
        WeightsError: a backbone that is not to be had, or has other weights now.
        LookupError, TypeError, ValueError, ConfigError: the file is none of ours.
    """
    origin = TypeAdapter(Origin).validate_python(header["origin"])
    settings = NetworkSettings.build(header["settings"], source=str(path))
    if settings.method not in METHODS:
        # The name of a function elsewhere would be imported: a file must not be able to ask for that.
        raise ValueError(f"method {shorten(repr(settings.method))} is not one of this package")
    check_settings(settings)
    weights = {
        name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items() if name.startswith(_PREFIX)
    }
    check_finite(weights)
    if origin.kind == "weights":
        check_network(settings, mapping_of(header["architecture"]), weights)
        network = build_network(settings, backbone=build_backbone(header["architecture"]))
        own = without_cohort(weights)
        fill(network, own, source=str(path))
        digest = network_digest(own, settings)
        cohort = cohort_of(weights, network, settings)
        return TrainedEncoder(
            SavedNetwork(path, network.eval(), settings, mapping_of(header["provenance"]), digest, cohort),
            origin,
        )
    backbone = load_backbone(origin.name, stages=[str(stage) for stage in settings.m2.stages])
    encoder = FrozenEncoder(backbone, settings, Fit.from_tensors(weights))
    if encoder.digest != header["weights_digest"]:
        before = shorten(str(header["weights_digest"]))
        raise WeightsError(
            f"{path} was made with {origin.name} of weights {before}, but what is there now has weights "
            f"{encoder.digest}; get the former back, or {again}"
        )
    return encoder


@contextlib.contextmanager
def usable(path: Path, *, cure: str) -> Iterator[None]:
    """What building from the content of ``path`` raises becomes one error that names the file.

    Raises:
        WeightsError: the content does not hold together, or what it names is not to be had.
    """
    try:
        yield
    except WeightsError as error:
        raise named(path, error) from None
    except _UNUSABLE as error:
        raise WeightsError(f"{path} cannot be used ({why(error)}); {cure}") from None
