"""A recogniser on disk: one safetensors file with everything it knows. Reading it runs no code.

A trained network lies in the file whole. A frozen backbone is named, with the digest of its weights: it is opened
again and compared. The filter bank has no weights. A checksum covers every tensor and all metadata.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor

from a2m2.checks import nearest_path
from a2m2.errors import WeightsError
from a2m2.eval.describe import scales_of
from a2m2.moments import candidate_windows
from a2m2.reading import mapping_of, typed
from a2m2.recognize.confidence import Confidence
from a2m2.recognize.encoder_file import encoder_header, encoder_of, encoder_tensors, usable
from a2m2.recognize.encoders import ClipEncoder
from a2m2.recognize.enrolled import Enrolled
from a2m2.recognize.report import LeaveOneOut
from a2m2.recognize.supports import SupportClip, pack_bytes, unpack_bytes
from a2m2.structures import Descriptors
from a2m2.versions import versions
from a2m2.weights import check_finite, read_sealed, write_sealed

FORMAT = "a2m2-recognizer-1"
CURE = "copy it again, or enrol anew with 'a2m2 enrol'"


def save_enrolled(path: Path, enrolled: Enrolled) -> None:
    """Write a recogniser, whole or not at all.

    Raises:
        OutputError: the file cannot be written; an earlier one is left as it was.
    """
    encoder = enrolled.encoder
    tensors = _support_tensors(enrolled)
    tensors |= encoder_tensors(encoder)
    header = {
        **encoder_header(encoder),
        "order_prior": enrolled.order_prior,
        "confidence": asdict(enrolled.confidence),
        "report": asdict(enrolled.report),
        "blocks": list(enrolled.descriptors.blocks),
        "supports": [
            {"name": support.name, "label": support.label, "digest": support.digest}
            for support in enrolled.supports
        ],
        "versions": versions(),
    }
    write_sealed(path, tensors, header, form=FORMAT)


def load_enrolled(path: Path) -> Enrolled:
    """Read a recogniser.

    Raises:
        WeightsError: nothing there, damaged, changed, not one of ours, or a backbone that is not to be had.
    """
    if path.is_dir():
        raise WeightsError(f"{path} is a folder; give the file that a2m2 enrol wrote")
    if not path.is_file():
        raise WeightsError(f"no recogniser {path}; {nearest_path(path) or 'make one with a2m2 enrol'}")
    header, tensors = read_sealed(path, form=FORMAT, what="a recogniser", cure=CURE)
    with usable(path, cure=CURE):
        return _enrolled(path, header, tensors)


def _enrolled(path: Path, header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Enrolled:
    encoder = encoder_of(path, header, tensors, again="enrol anew with 'a2m2 enrol'")
    check_finite({name: tensor for name, tensor in tensors.items() if name.startswith("supports.")})
    descriptors = _descriptors(encoder, tensors, tuple(header["blocks"]))
    order_prior = float(header["order_prior"])
    if not 0 <= order_prior < math.inf:
        raise ValueError(f"an order prior of {order_prior}")
    enrolled = Enrolled(
        encoder=encoder,
        matcher=encoder.matcher(order_prior),
        order_prior=order_prior,
        supports=_supports(header["supports"], tensors),
        descriptors=descriptors,
        confidence=TypeAdapter(Confidence).validate_python(header["confidence"]),
        report=TypeAdapter(LeaveOneOut).validate_python(header["report"]),
    )
    if len(enrolled.supports) != len(descriptors):
        raise ValueError(f"{len(enrolled.supports)} clips with descriptors of {len(descriptors)}")
    confidence = enrolled.confidence
    if not (math.isfinite(confidence.threshold) and 0 < confidence.sharpness < math.inf):
        raise ValueError(f"a confidence of {confidence}")
    if len({type(support.label) for support in enrolled.supports}) != 1:
        raise ValueError("no clips, or classes that are numbers and names mixed")
    return enrolled


def _support_tensors(enrolled: Enrolled) -> dict[str, Tensor]:
    descriptors, supports = enrolled.descriptors, enrolled.supports
    packed = [pack_bytes(support.thumbnails) for support in supports]
    return {
        "supports.values": descriptors.values,
        "supports.spans": descriptors.spans,
        "supports.energy": descriptors.energy,
        "supports.frame_seconds": torch.tensor(
            [support.frame_seconds for support in supports], dtype=torch.float64
        ),
        "supports.duration_seconds": torch.tensor(
            [support.duration_seconds for support in supports], dtype=torch.float64
        ),
        "thumbnails.bytes": torch.cat([data for data, _ in packed]),
        "thumbnails.lengths": torch.stack([lengths for _, lengths in packed]),
    }


def _descriptors(encoder: ClipEncoder, tensors: Mapping[str, Tensor], blocks: tuple[int, ...]) -> Descriptors:
    windows, scale = candidate_windows(encoder.video.num_frames, scales_of(encoder.settings.m2))
    return Descriptors(
        values=tensors["supports.values"],
        spans=tensors["supports.spans"],
        windows=windows,
        scale=scale,
        energy=tensors["supports.energy"],
        mean=encoder.mean,
        blocks=blocks,
    )


def _supports(entries: list[dict[str, Any]], tensors: Mapping[str, Tensor]) -> tuple[SupportClip, ...]:
    lengths = tensors["thumbnails.lengths"]
    pictures = tensors["thumbnails.bytes"].split(lengths.sum(1).tolist())
    return tuple(
        typed(
            SupportClip,
            {
                **mapping_of(entry),
                "frame_seconds": tuple(seconds.tolist()),
                "duration_seconds": float(duration),
                "thumbnails": unpack_bytes(data, length),
            },
        )
        for entry, seconds, duration, data, length in zip(
            entries,
            tensors["supports.frame_seconds"],
            tensors["supports.duration_seconds"],
            pictures,
            lengths,
            strict=True,
        )
    )
