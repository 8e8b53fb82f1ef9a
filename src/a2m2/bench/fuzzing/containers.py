"""Damage to containers: safetensors headers and what they hold, archives of torch, boxes of mp4 files."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from a2m2.bench.fuzzing.documents import changed, dumped
from a2m2.bench.fuzzing.raw import Mutator, damage
from a2m2.weights import pack_tensors

Seal = Callable[[dict[str, str], dict[str, Tensor]], tuple[dict[str, str], dict[str, Tensor]]]
"""Makes checksums right again, so that the damage is not noticed by them alone."""

_HUGE = (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
_DTYPES = (torch.float64, torch.float16, torch.int64, torch.uint8, torch.bool, torch.bfloat16)


def damage_safetensors(seal: Seal) -> Mutator:
    """Safetensors damaged as bytes, in their header, in the JSON of their metadata, or in their tensors."""

    def mutate(data: bytes, dice: random.Random) -> bytes:
        kind = dice.random()
        start = 8 + int.from_bytes(data[:8], "little")
        if kind < 0.1:
            return damage(data, dice)
        if kind < 0.2:
            return struct.pack("<Q", dice.choice((*_HUGE, start, start - 9, len(data)))) + data[8:]
        if kind < 0.3:
            return data[:8] + damage(data[8:start], dice) + data[start:]
        if kind < 0.5:
            header = dumped(changed(json.loads(data[8:start]), dice)).encode()
            return struct.pack("<Q", len(header)) + header + data[start:]
        good_metadata, good_tensors = _opened(data)
        metadata, tensors = dict(good_metadata), dict(good_tensors)
        if kind < 0.85 and metadata:
            _change_text(metadata, dice)
        else:
            _change_tensors(tensors, dice)
        try:
            metadata, tensors = seal(metadata, tensors)
            return pack_tensors(tensors, metadata)
        except (ValueError, TypeError, RuntimeError, RecursionError):
            # What cannot be written is no input.
            return data

    return mutate


@cache
def _opened(data: bytes) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a good file."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return header.get("__metadata__", {}), safetensors.torch.load(data)


def _change_text(metadata: dict[str, str], dice: random.Random) -> None:
    key = dice.choice(sorted(metadata))
    text = metadata[key]
    if text.startswith("{") and dice.random() < 0.9:
        metadata[key] = dumped(changed(json.loads(text), dice))
    else:
        metadata[key] = damage(text.encode(), dice).decode("utf-8", "replace")


def _change_tensors(tensors: dict[str, Tensor], dice: random.Random) -> None:
    for _ in range(dice.choice((1, 1, 3))):
        if not tensors:
            return
        name = dice.choice(sorted(tensors))
        tensor, kind = tensors[name], dice.randrange(8)
        if kind == 0:
            del tensors[name]
        elif kind == 1:
            tensors[f"{name}.more"] = tensor.clone()
        elif kind == 2:
            tensors[name] = tensor.flatten()
        elif kind == 3:
            tensors[name] = tensor[..., :-1].contiguous() if tensor.ndim else tensor[None]
        elif kind == 4:
            tensors[name] = tensor.to(dice.choice(_DTYPES))
        elif kind == 5:
            tensors[name] = torch.zeros((0, *tensor.shape), dtype=tensor.dtype)
        elif kind == 6 and tensor.is_floating_point():
            tensors[name] = torch.full_like(tensor, dice.choice((float("nan"), float("inf"), 6e4, 0.0)))
        else:
            extreme = dice.choice((-1, 0, 127, 2**31 - 1, 2**62))
            tensors[name] = torch.full(tensor.shape, extreme).to(tensor.dtype)


def unsealed(
    metadata: dict[str, str], tensors: dict[str, Tensor]
) -> tuple[dict[str, str], dict[str, Tensor]]:
    """A file without a checksum needs none."""
    return metadata, tensors


def damage_records(num_records: int) -> Mutator:
    """Safetensors, or records of one size end to end: mostly as many as before, with their CRC-32 at the end."""
    opened = damage_safetensors(unsealed)

    def mutate(data: bytes, dice: random.Random) -> bytes:
        if data[8:9] == b"{":
            return opened(data, dice)
        damaged = damage(data, dice)
        if dice.random() < 0.3:
            return damaged
        damaged = damaged[: len(data)].ljust(len(data), b"\0")
        if dice.random() < 0.3:
            return damaged
        size = len(data) // num_records
        bodies = [damaged[start : start + size - 4] for start in range(0, len(data), size)]
        return b"".join(body + struct.pack("<I", zlib.crc32(body)) for body in bodies)

    return mutate


def damage_checkpoint(data: bytes, dice: random.Random) -> bytes:
    """A checkpoint of torch damaged as bytes, in the parts of its archive, or in what it says."""
    kind = dice.random()
    if kind < 0.2:
        return damage(data, dice)
    if kind < 0.5:
        return _saved(changed(_loaded(data), dice))
    parts = dict(_parts(data))
    pickle = next(name for name in parts if name.endswith("data.pkl"))
    name = pickle if kind < 0.85 else dice.choice(sorted(parts))
    if kind > 0.95:
        del parts[name]
    elif dice.random() < 0.3:
        parts[name] = _evil_pickle(parts[pickle], dice)
    else:
        parts[name] = damage(parts[name], dice)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED if kind > 0.9 else zipfile.ZIP_STORED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    return packed.getvalue()


@cache
def _loaded(data: bytes) -> Any:
    return torch.load(io.BytesIO(data), weights_only=True)


@cache
def _parts(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


def _saved(content: Any) -> bytes:
    packed = io.BytesIO()
    torch.save(content, packed)
    return packed.getvalue()


def _evil_pickle(good: bytes, dice: random.Random) -> bytes:
    """A pickle that asks for code, for much memory, or for more than there is."""
    return dice.choice(
        (
            b"cos\nsystem\n(S'true'\ntR.",
            b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.",
            b"\x80\x02c__builtin__\nbytearray\n\x8a\x05\x00\x00\x00\x00\x10\x85R.",
            b"\x80\x02" + b"]" * 100_000 + b".",
            b"\x80\x02" + b"(" * 50_000 + b"l" * 50_000 + b".",
            b"\x80\x02X\xff\xff\xff\x7fx.",
            b"\x80\x02\x8b\xff\xff\xff\x7f1.",
            b"\x80\x02h\x05.",
            b"\x80\x02N.",
            b"\x80\x02}.",
            b"",
            good[:-1] + b"0" * 1000 + b".",
            good.replace(b"q\x00", b"q\x01", 1),
            good.replace(b"K", b"J", 1),
        )
    )


_BOXES = (
    b"moov",
    b"mvhd",
    b"trak",
    b"tkhd",
    b"mdhd",
    b"stsd",
    b"stts",
    b"stsz",
    b"stsc",
    b"stco",
    b"avcC",
    b"elst",
)


def damage_video(data: bytes, dice: random.Random) -> bytes:
    """An mp4 file damaged as bytes, at its ends, or in a number of one of its boxes."""
    kind = dice.random()
    if kind < 0.2:
        return damage(data, dice)
    places = [at for box in _BOXES if (at := data.find(box)) >= 4]
    if kind < 0.3 or not places:
        edge = min(len(data), 2048)
        return (
            damage(data[:edge], dice) + data[edge:]
            if kind < 0.25
            else data[:-edge] + damage(data[-edge:], dice)
        )
    changed_data = bytearray(data)
    for _ in range(dice.choice((1, 1, 2))):
        # The length before the name, or a number in the box.
        at = dice.choice(places) + dice.choice((-4, 4, 8, 12, 16, 20, 24, 4 * dice.randrange(30)))
        changed_data[at : at + 4] = struct.pack(
            ">I", dice.choice((*_HUGE[:5], dice.getrandbits(32), 100, 65_535))
        )
    return bytes(changed_data)
