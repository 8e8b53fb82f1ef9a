"""Tensors and metadata in one safetensors file; sealed, where a checksum covers both. Reading runs no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from a2m2.checks import atomic_path
from a2m2.errors import WeightsError
from a2m2.nn.digest import tensors_digest
from a2m2.reading import mapping_of, parse_json, shorten, why

_UNREADABLE = (
    OSError,
    SafetensorError,
    RuntimeError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    ArithmeticError,
)
"""What safetensors and torch raise for headers that are damaged, or name types and shapes that torch does not have."""


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file, whole or not at all.

    Raises:
        OutputError: the file cannot be written; an earlier one at ``path`` is left as it was.
    """
    # Through memory: safetensors reports a full disk as an error of its own, a file as an OSError.
    packed = pack_tensors(tensors, metadata)
    with atomic_path(path) as temporary:
        temporary.write_bytes(packed)


def pack_tensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a safetensors file: the same for the same content."""
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return _sorted_header(save(content, dict(metadata or {})))


def _sorted_header(packed: bytes) -> bytes:
    """The same file with its header in order: safetensors writes metadata in another order each time."""
    start = 8 + int.from_bytes(packed[:8], "little")
    header = json.dumps(json.loads(packed[8:start]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + packed[start:]


def read_tensors(
    path: Path, *, cure: str = "copy or train it again"
) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a safetensors file.

    Args:
        path: the file.
        cure: what the error tells to do.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            return metadata, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except _UNREADABLE as error:
        raise WeightsError(f"{path} cannot be read as weights ({why(error)}); {cure}") from None


def named(path: Path, error: WeightsError) -> WeightsError:
    """``error`` with the name of the file that led to it, if it has none."""
    return error if str(path) in str(error) else WeightsError(f"{path}: {error}")


def write_sealed(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any], *, form: str) -> None:
    """Write tensors and a header with a checksum over both, whole or not at all.

    Args:
        path: the file.
        tensors: by name.
        header: ready for JSON.
        form: name and version of what the file holds, such as ``a2m2-recognizer-1``.

    Raises:
        OutputError: the file cannot be written; an earlier one is left as it was.
    """
    text = json.dumps(header, ensure_ascii=False)
    write_tensors(path, tensors, {"format": form, "header": text, "checksum": seal(tensors, text)})


def read_sealed(path: Path, *, form: str, what: str, cure: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a file of :func:`write_sealed`, as they were written.

    Args:
        path: the file.
        form: as it was given when the file was written.
        what: what such a file is, for errors: ``a recogniser``.
        cure: what the errors tell to do.

    Raises:
        WeightsError: it cannot be read, is of another form, damaged or changed.
    """
    metadata, read = read_tensors(path, cure=cure)
    found, text = metadata.get("format"), metadata.get("header", "")
    if found != form:
        raise WeightsError(f"{path} is not {what} (format {shorten(repr(found))}, expected {form!r}); {cure}")
    if metadata.get("checksum") != seal(read, text):
        raise WeightsError(f"{path} was damaged or changed: its checksum does not fit its content; {cure}")
    try:
        header = mapping_of(parse_json(text))
    except ValueError as error:
        raise WeightsError(f"{path} cannot be used ({why(error)}); {cure}") from None
    # Copied to where torch puts tensors itself: the last bits of a product depend on the place in memory.
    return header, {name: read.pop(name).clone() for name in list(read)}


def seal(tensors: Mapping[str, Tensor], header: str) -> str:
    """The checksum of a sealed file: 16 hex digits of its tensors and the text of its header."""
    return tensors_digest(tensors, {"header": header})
