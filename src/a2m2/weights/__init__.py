"""Trained networks on disk, and those that come with the package."""

from a2m2.weights.claims import check_finite, check_network, check_settings
from a2m2.weights.cohort import cohort_of, cohort_tensors, without_cohort
from a2m2.weights.network_file import (
    FILE_NAME,
    NetworkFile,
    SavedNetwork,
    fill,
    load_network,
    network_digest,
    network_file,
    read_network,
    save_network,
)
from a2m2.weights.shipped import MOTION_SMALL, shipped_file, shipped_networks
from a2m2.weights.tensor_file import (
    named,
    pack_tensors,
    read_sealed,
    read_tensors,
    seal,
    write_sealed,
    write_tensors,
)

__all__ = [
    "FILE_NAME",
    "MOTION_SMALL",
    "NetworkFile",
    "SavedNetwork",
    "check_finite",
    "check_network",
    "check_settings",
    "cohort_of",
    "cohort_tensors",
    "fill",
    "load_network",
    "named",
    "network_digest",
    "network_file",
    "pack_tensors",
    "read_network",
    "read_sealed",
    "read_tensors",
    "save_network",
    "seal",
    "shipped_file",
    "shipped_networks",
    "without_cohort",
    "write_sealed",
    "write_tensors",
]
