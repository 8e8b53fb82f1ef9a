"""Shards: descriptors of a few contents in one file, memory-mapped when they are read.

A shard is a safetensors file that appears whole and never changes. Its name, ``NUMBER-CRC.safetensors``, holds the
checksum of its bytes. What it holds depends on contents alone, not on where clips lie or what they are called. Each
content has a checksum of its own, too: a search reads a few contents from each of many shards.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int, Int8
from safetensors import SafetensorError, safe_open
from torch import Tensor

from a2m2.errors import RecordError
from a2m2.library.checked_files import check_whole, write_checked
from a2m2.library.quantise import dequantise, quantise
from a2m2.reading import mapping_of, parse_json, typed, why
from a2m2.structures import Descriptors
from a2m2.weights import pack_tensors

FOLDER = "shards"
CURE = "run 'a2m2 index' again, which describes its clips anew"


@dataclass(frozen=True, eq=False, repr=False)
class Shard:
    """Descriptors of contents, on disk: tensors are views of the mapped file.

    Attributes:
        path: the file.
        digests: content digest of each.
        blocks, spans, energy: as in :class:`~a2m2.structures.Descriptors`.
        codes, scales: its values, see :mod:`a2m2.library.quantise`.
        checks: CRC-32 of each content's digest and of what is held of it.
    """

    path: Path
    digests: tuple[str, ...]
    blocks: tuple[int, ...]
    codes: Int8[Tensor, "clip node dim"]
    scales: Float[Tensor, "clip node block"]
    spans: Float[Tensor, "clip node 2"]
    energy: Float[Tensor, "clip time"]
    checks: Int[Tensor, "clip"]

    def __len__(self) -> int:
        return len(self.digests)

    def check(self, places: Sequence[int]) -> None:
        """Refuse contents that are not what was written.

        Raises:
            RecordError: one of them is not.
        """
        parts = {"codes": self.codes, "scales": self.scales, "spans": self.spans, "energy": self.energy}
        for place in places:
            if _check(self.digests[place], parts, place) != int(self.checks[place]):
                raise RecordError(f"{self.path} is damaged: a content is not what was written; {CURE}")

    def values(self, places: Sequence[int]) -> Float[Tensor, "clip node dim"]:
        """Candidates of some of its contents, in float32."""
        index = list(places)
        return dequantise(self.codes[index], self.scales[index], self.blocks)

    def __repr__(self) -> str:
        return f"Shard({self.path.name}: {len(self)} contents)"


@dataclass(frozen=True, eq=False)
class Rows:
    """Descriptors of contents as a shard holds them; the same bytes whether they come alone or together.

    Attributes:
        blocks: as in :class:`~a2m2.structures.Descriptors`.
        tensors: codes, scales, spans and energy, see :class:`Shard`.
    """

    blocks: tuple[int, ...]
    tensors: Mapping[str, Tensor]


def rows_of(descriptors: Descriptors) -> Rows:
    """Descriptors, quantised."""
    codes, scales = quantise(descriptors.values, descriptors.blocks)
    tensors = {
        "codes": codes,
        "scales": scales,
        "spans": descriptors.spans.float(),
        "energy": descriptors.energy.float(),
    }
    return Rows(tuple(descriptors.blocks), tensors)


def write_shard(folder: Path, number: int, digests: Sequence[str], rows: Sequence[Rows]) -> Path:
    """Write one shard, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    tensors = {name: torch.cat([part.tensors[name] for part in rows]) for name in rows[0].tensors}
    checks = [_check(digest, tensors, place) for place, digest in enumerate(digests)]
    tensors["checks"] = torch.tensor(checks, dtype=torch.int64)
    header = json.dumps({"digests": list(digests), "blocks": rows[0].blocks})
    content = pack_tensors(tensors, {"header": header})
    return write_checked(folder / FOLDER, f"{number:06d}", ".safetensors", content)


def _check(digest: str, parts: Mapping[str, Tensor], place: int) -> int:
    value = zlib.crc32(digest.encode())
    for name in ("codes", "scales", "spans", "energy"):
        value = zlib.crc32(parts[name][place].contiguous().numpy().data, value)
    return value


def shard_files(folder: Path) -> list[Path]:
    """All shards of an index, in their order."""
    return sorted((folder / FOLDER).glob("[0-9]*-*.safetensors"))


def shard_number(path: Path) -> int:
    """The number in a shard's name."""
    return int(path.name.split("-")[0])


def open_shard(path: Path) -> Shard:
    """A shard, checked whole and mapped.

    Raises:
        RecordError: missing, damaged or of another version.
    """
    check_whole(path, cure=CURE)
    return map_shard(path)


def map_shard(path: Path) -> Shard:
    """A shard of which nothing is checked.

    Raises:
        RecordError: it is of another version.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = typed(_Header, mapping_of(parse_json(file.metadata()["header"])))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            shard = Shard(path, header.digests, header.blocks, **tensors)
            _check_shapes(shard)
            return shard
    except (
        OSError,
        SafetensorError,
        LookupError,
        TypeError,
        ValueError,
        RuntimeError,
        AttributeError,
        ArithmeticError,
    ) as error:
        raise RecordError(
            f"{path} is no shard of this version ({why(error)}); index into another folder"
        ) from None


@dataclass(frozen=True)
class _Header:
    digests: tuple[str, ...]
    blocks: tuple[int, ...]


def _check_shapes(shard: Shard) -> None:
    if not all(map(str.isascii, shard.digests)):
        raise ValueError("digests of other than ASCII")
    clips, nodes, dim = shard.codes.shape
    expected = {
        "codes": (len(shard.digests), nodes, sum(shard.blocks)),
        "scales": (clips, nodes, len(shard.blocks)),
        "spans": (clips, nodes, 2),
        "energy": (clips, shard.energy.shape[-1]),
        "checks": (clips,),
    }
    kinds = {"codes": torch.int8, "checks": torch.int64}
    for name, shape in expected.items():
        tensor = getattr(shard, name)
        kind = kinds.get(name, torch.float32)
        if tuple(tensor.shape) != shape or tensor.dtype != kind:
            raise ValueError(f"{name} of {tensor.dtype} {tuple(tensor.shape)}, expected {kind} {shape}")
    if dim and min(shard.blocks) < 1:
        raise ValueError(f"blocks of {shard.blocks}")
