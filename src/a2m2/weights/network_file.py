"""Trained networks on disk: one safetensors file with weights, settings and where they come from.

Nothing in it can run code. The file holds all that is needed to build the network again, the backbone's
configuration included: no other file and no hub is asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from a2m2.checks import nearest_path
from a2m2.errors import ConfigError, WeightsError
from a2m2.model import FewShotModel
from a2m2.networks import build_network
from a2m2.nn import build_backbone
from a2m2.nn.digest import tensors_digest
from a2m2.reading import mapping_of, parse_json, shorten, why
from a2m2.structures import Descriptors
from a2m2.train_settings import NetworkSettings
from a2m2.weights.claims import check_finite, check_network
from a2m2.weights.cohort import cohort_of, cohort_tensors, without_cohort
from a2m2.weights.shipped import shipped_file, shipped_networks
from a2m2.weights.tensor_file import named, read_tensors, write_tensors

FORMAT = "a2m2-network-1"
FILE_NAME = "weights.safetensors"
"""Its name in a training folder."""


@dataclass(frozen=True, eq=False)
class SavedNetwork:
    """A network that was read from disk.

    Attributes:
        path: the file.
        network: in evaluation mode.
        settings: what was built.
        provenance: where the weights come from, as the training wrote it.
        digest: 16 hex digits that name settings and weights.
        cohort: some clips that it was trained on, or None, see :mod:`a2m2.matching.cohort`.
    """

    path: Path
    network: FewShotModel
    settings: NetworkSettings
    provenance: dict[str, Any] = field(repr=False)
    digest: str
    cohort: Descriptors | None = None


def save_network(
    path: Path,
    network: FewShotModel,
    settings: NetworkSettings,
    provenance: Mapping[str, Any],
    *,
    cohort: Descriptors | None = None,
) -> str:
    """Write a network, whole or not at all; returns its digest.

    Raises:
        OutputError: the file cannot be written; an earlier one at ``path`` is left as it was.
    """
    tensors = network.state_dict()
    metadata = {
        "format": FORMAT,
        "settings": settings.model_dump_json(),
        "architecture": json.dumps(network.encoder.backbone.architecture()),
        "provenance": json.dumps(dict(provenance)),
    }
    write_tensors(path, tensors | ({} if cohort is None else cohort_tensors(cohort)), metadata)
    return network_digest(tensors, settings)


def network_digest(tensors: Mapping[str, Tensor], settings: NetworkSettings) -> str:
    """16 hex digits that name a network: its weights, and the settings that say what is done with them."""
    content = settings.model_dump(mode="json")
    # A name of a place says nothing about the network.
    content["backbone"].pop("source")
    return tensors_digest(tensors, content)


def network_file(place: str | Path) -> Path:
    """The file that ``place`` stands for: itself, the weights in a training folder, or a shipped network by its name.

    Raises:
        WeightsError: nothing there.
    """
    shipped = shipped_file(str(place))
    if shipped is not None:
        return shipped
    path = Path(place)
    if path.is_dir():
        if not (path / FILE_NAME).is_file():
            raise WeightsError(
                f"{path} holds no {FILE_NAME}; expected a folder of 'a2m2 pretrain' or 'a2m2 train' that got as "
                "far as its first validation"
            )
        return path / FILE_NAME
    if not path.is_file():
        cure = nearest_path(path) or (
            f"give a training folder, its weights file, or a shipped network ({', '.join(shipped_networks())})"
        )
        raise WeightsError(f"no weights {path}; {cure}")
    return path


def load_network(place: str | Path) -> SavedNetwork:
    """Read a network from a training folder or a file, or a shipped one by its name.

    Raises:
        WeightsError: nothing there, damaged, not one of ours, or weights that do not fit their settings.
    """
    path = network_file(place)
    file = read_network(path)
    tensors = without_cohort(file.tensors)
    try:
        network = build_network(file.settings, backbone=build_backbone(file.architecture))
        fill(network, tensors, source=str(path))
        cohort = cohort_of(file.tensors, network, file.settings)
    except (ValueError, RuntimeError, ConfigError) as error:
        raise WeightsError(f"{path} cannot be used ({why(error)}); copy or train it again") from None
    except WeightsError as error:
        raise named(path, error) from None
    digest = network_digest(tensors, file.settings)
    return SavedNetwork(path, network.eval(), file.settings, file.provenance, digest, cohort)


@dataclass(frozen=True, eq=False)
class NetworkFile:
    """What the file of a network holds, nothing built.

    Attributes:
        settings: of the network.
        architecture: of its backbone, for :func:`a2m2.nn.build_backbone`.
        provenance: where the weights come from, as the training wrote it.
        tensors: by the names of its state dict, and its cohort.
    """

    settings: NetworkSettings
    architecture: dict[str, Any]
    provenance: dict[str, Any]
    tensors: dict[str, Tensor] = field(repr=False)


def read_network(path: Path) -> NetworkFile:
    """Read the file of a network.

    Raises:
        WeightsError: it cannot be read, or is not one of ours.
    """
    metadata, tensors = read_tensors(path)
    if metadata.get("format") != FORMAT:
        raise WeightsError(
            f"{path} is not a network of a2m2 (format {shorten(repr(metadata.get('format')))}, expected {FORMAT!r}); "
            "give a training folder, or name a backbone with --backbone"
        )
    try:
        settings = NetworkSettings.build(mapping_of(parse_json(metadata["settings"])), source=str(path))
        architecture = mapping_of(parse_json(metadata["architecture"]))
        provenance = mapping_of(parse_json(metadata["provenance"]))
        check_network(settings, architecture, tensors)
        check_finite(tensors)
    except (KeyError, ValueError, ConfigError) as error:
        raise WeightsError(f"the settings in {path} cannot be used ({why(error)}); train again") from None
    return NetworkFile(settings, architecture, provenance, tensors)


def fill(
    network: FewShotModel, tensors: Mapping[str, Tensor], *, source: str, without: tuple[str, ...] = ()
) -> None:
    """Put weights into a network.

    Args:
        network: changed in place.
        tensors: by the names of its state dict.
        source: what to call them in errors.
        without: parts to leave as they are, by the beginning or the end of a name, such as ``matcher.`` or ``.mean``.

    Raises:
        WeightsError: a tensor is missing, unknown or of another shape; the first is named.
    """

    def wanted(names: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            name: tensor
            for name, tensor in names.items()
            if not any(name.startswith(part) or name.endswith(part) for part in without)
        }

    expected, given = wanted(network.state_dict()), wanted(tensors)
    wrong = sorted(expected.keys() ^ given.keys())
    if wrong:
        problem = "lack" if wrong[0] in expected else "hold the unknown"
        raise WeightsError(
            f"the weights in {source} are of another configuration: they {problem} {wrong[0]}"
            f"{f' and {len(wrong) - 1} more tensors differ' if len(wrong) > 1 else ''}; use the configuration "
            "that they were trained with"
        )
    for name, tensor in expected.items():
        kinds = {tensor.is_floating_point() or tensor.is_complex() for tensor in (tensor, given[name])}
        if len(kinds) > 1 or given[name].is_complex():
            raise WeightsError(
                f"the weights in {source} are of another configuration: {name} is of {given[name].dtype}, expected "
                f"{tensor.dtype}; use the configuration that they were trained with"
            )
        if tensor.shape != given[name].shape:
            raise WeightsError(
                f"the weights in {source} are of another configuration: {name} has shape "
                f"{tuple(given[name].shape)}, expected {tuple(tensor.shape)}; use the configuration that they "
                "were trained with"
            )
    network.load_state_dict(given, strict=not without)
