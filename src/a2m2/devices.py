"""Where clips are encoded and descriptors compared: on the CPU, or on a GPU.

An encoder computes where its weights lie. Frames go there in one piece, descriptors come back to the host, and nothing
that is written to disk says where it was computed but the keys of caches: last digits differ.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from a2m2.errors import ConfigError

DeviceName = Literal["auto", "cpu", "cuda"]
"""``auto`` is a GPU if there is one that torch can use."""

CPU = torch.device("cpu")

GPU_CLIPS = 16
"""Clips that a GPU encodes at a time: 128 frames of 8 each fill it, and are 77 MB as floats of 224 × 224."""

_encoding = threading.Lock()
_idle_streams: list[torch.cuda.Stream] = []
"""Used again and again: torch keeps memory for each."""


def find_device(name: str) -> torch.device:
    """The device called ``auto``, ``cpu`` or ``cuda``.

    Raises:
        ConfigError: another name, or ``cuda`` where torch can use no GPU.
    """
    if name not in get_args(DeviceName):
        raise ConfigError(
            f"expected device auto, cpu or cuda, got {name!r}; auto takes a GPU if there is one"
        )
    if name == "cpu":
        return CPU
    if torch.cuda.is_available():
        return torch.device("cuda")
    if name == "auto":
        return CPU
    why = (
        "this torch was built without CUDA"
        if torch.version.cuda is None
        else "torch finds none that it can use (see nvidia-smi and CUDA_VISIBLE_DEVICES)"
    )
    raise ConfigError(
        f"no GPU for device cuda: {why}; use device cpu, or auto, which takes a GPU if there is one"
    )


def key_parts(device: torch.device) -> list[str]:
    """What a cache key says of the device: nothing of the CPU, so that caches without a word on it are the CPU's."""
    return [] if device.type == "cpu" else [device.type]


@contextmanager
def encoding(device: torch.device) -> Iterator[None]:
    """Encode on ``device`` inside a ``with`` block.

    On a GPU: one thread at a time, and convolutions in whole float32, which torch would round to ten bits (TF32).

    Raises:
        ConfigError: the memory of the GPU is not enough.
    """
    if device.type == "cpu":
        yield
        return
    with _encoding, whole_float32():
        try:
            yield
        except torch.cuda.OutOfMemoryError as error:
            raise ConfigError(
                f"the memory of {torch.cuda.get_device_name()} is not enough ({str(error).split('. ')[0]}); end what "
                "else uses it, or use device cpu"
            ) from error


@contextmanager
def whole_float32() -> Iterator[None]:
    """Convolutions of float32 on GPUs without rounding to TF32; as before at the end. Set for the whole process."""
    owner, name, whole = _convolution_setting()
    before = getattr(owner, name)
    setattr(owner, name, whole)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _convolution_setting() -> tuple[Any, str, Any]:
    """Where torch keeps the precision of convolutions, and what it is called there when it is whole."""
    cudnn: Any = torch.backends.cudnn
    if hasattr(cudnn, "conv"):
        return cudnn.conv, "fp32_precision", "ieee"
    return cudnn, "allow_tf32", False  # before torch 2.9


def stacked(tensors: Sequence[Tensor], device: torch.device) -> Tensor:
    """``torch.stack(tensors)`` in host memory, pinned where a GPU shall take it from there without a wait."""
    if device.type == "cpu":
        return torch.stack(list(tensors))
    first = tensors[0]
    pinned = torch.empty((len(tensors), *first.shape), dtype=first.dtype, pin_memory=True)
    return torch.stack(list(tensors), out=pinned)


def to_host(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Copies in host memory, contiguous, with one wait for all of them; tensors on the CPU as they are."""
    if all(tensor.is_cpu for tensor in tensors):
        return tensors
    pinned = tuple(torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True) for tensor in tensors)
    for here, there in zip(pinned, tensors, strict=True):
        here.copy_(there, non_blocking=True)
    torch.cuda.current_stream().synchronize()
    return pinned


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """Work on a GPU in a queue that no other thread uses meanwhile, so that it waits for nobody; nothing on the CPU."""
    if device.type == "cpu":
        yield
        return
    try:
        stream = _idle_streams.pop()
    except IndexError:
        stream = torch.cuda.Stream()
    try:
        with torch.cuda.stream(stream):
            yield
    finally:
        _idle_streams.append(stream)
