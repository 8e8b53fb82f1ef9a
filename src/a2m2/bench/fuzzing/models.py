"""Small good files that hold tensors, written as the package writes them, and the checksums in them."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from a2m2.bench.fake_benchmark import moving_square
from a2m2.data.store import FeatureStore
from a2m2.eval.describe import scales_of
from a2m2.library.catalogue import make_catalogue, write_catalogue
from a2m2.library.contents import Contents
from a2m2.library.eyes import write_eyes
from a2m2.library.first_pass import write_first_pass
from a2m2.library.shards import rows_of, write_shard
from a2m2.methods import descriptor_length
from a2m2.moments import candidate_windows
from a2m2.networks import build_network
from a2m2.recognize import Recognizer
from a2m2.recognize.file import load_enrolled
from a2m2.settings import BackboneSettings, M2Settings, VideoSettings
from a2m2.structures import Descriptors
from a2m2.train.classifier import BaseClassifier
from a2m2.train.folder import HEAD
from a2m2.train.keeper import SafeCheckpointIO
from a2m2.train_settings import NetworkSettings
from a2m2.video import write_clip
from a2m2.weights import save_network, seal, write_tensors

SETTINGS = NetworkSettings(
    video=VideoSettings(num_frames=4, resize=32, crop=32),
    backbone=BackboneSettings(source="small-cnn"),
    m2=M2Settings(stages=("last",), reduction="conv", components=4, hidden=6, scales=((1, 1), (2, 2))),
)
_SCALES, _DIM = scales_of(SETTINGS.m2), descriptor_length(SETTINGS.m2)
NUM_CONTENTS = 4
FIRST_PASS = {"directions": ".safetensors", "summaries": ".bin", "sketches": ".bin"}
"""Beginnings and ends of the names of a first pass's files."""
FEATURE = ("maps", "key", "ab" * 16)
"""Kind, key and digest of the one feature in a store."""


def network(folder: Path) -> None:
    """A network that was not trained, with all that a file of one holds."""
    model = build_network(SETTINGS)
    provenance = {"stage": "meta", "dataset": "clips", "split": "train", "step": 3, "seed": 0}
    save_network(folder / "weights.safetensors", model, SETTINGS, provenance)


def recognizers(folder: Path) -> None:
    """A recogniser that sees with motion filters, and one that sees with a network."""
    network(folder)
    sources: dict[str, dict[str, Any]] = {
        "frozen.a2m2": {"backbone": "motion-filters", "num_frames": 4, "size": 32},
        "trained.a2m2": {"weights": str(folder / "weights.safetensors")},
    }
    for name, source in sources.items():
        recognizer = Recognizer(**source, cache=str(folder / "cache"), num_threads=1)
        labels = [label for label in ("left", "wave") for _ in range(2)]
        frames = [_frames(label, place) for place, label in enumerate(labels)]
        recognizer.fit(frames, labels).save(folder / name)


def _frames(label: str, seed: int) -> np.ndarray:
    return moving_square(label, f"{seed}")


def _index(folder: Path) -> tuple[Contents, Path]:
    """An index of four contents, and its shard."""
    recognizers(folder)
    enrolled = load_enrolled(folder / "trained.a2m2")
    write_eyes(folder, enrolled.encoder)
    digests = [support.digest for support in enrolled.supports]
    shard = write_shard(folder, 0, digests, [rows_of(enrolled.descriptors)])
    contents = {f"clips/{place}.mp4": digest for place, digest in enumerate(digests)}
    catalogue = make_catalogue(contents, [(shard.name, digests)])
    write_catalogue(folder, catalogue)
    return Contents(folder, enrolled.encoder, catalogue), shard


def library(folder: Path) -> None:
    """A library's three kinds of files: what it sees with, a catalogue and a shard."""
    _, shard = _index(folder)
    shard.rename(folder / "shard.safetensors")


def first_pass(folder: Path) -> None:
    """The three files of a first pass, without the checksums in their names."""
    contents, _ = _index(folder)
    names = write_first_pass(contents, num_threads=1, progress=lambda what, done, total: None)
    for name, stem in zip(names, FIRST_PASS, strict=True):
        (folder / name).rename(folder / stem)


def descriptors(number: int) -> Descriptors:
    """Of clips that nobody has seen, by the network of the others."""
    windows, scale = candidate_windows(SETTINGS.video.num_frames, _SCALES)
    dice = torch.Generator().manual_seed(0)
    values = torch.randn(number, len(windows), _DIM, generator=dice)
    spans = (windows / 4).expand(number, -1, -1)
    return Descriptors(values, spans, windows, scale, torch.rand(number, 4, generator=dice))


def classifier() -> BaseClassifier:
    """A classifier of three classes and two sub-actions."""
    return BaseClassifier(dim=_DIM, num_frames=4, scales=_SCALES, num_classes=3, num_sub_actions=2)


def head(folder: Path) -> None:
    """The file of a classifier of base classes."""
    write_tensors(folder / HEAD, classifier().state_dict())


def backbones(folder: Path) -> None:
    """A folder as ``transformers`` writes it, and one whose weights lie in several files."""
    from transformers import AutoConfig, AutoModel

    sharded = folder / "sharded"
    sharded.mkdir()
    sizes = {"embedding_size": 4, "hidden_sizes": [4, 4], "depths": [1, 1], "layer_type": "basic"}
    config = AutoConfig.for_model("resnet", **sizes)
    tensors = AutoModel.from_config(config).state_dict()
    config.save_pretrained(folder)
    config.save_pretrained(sharded)
    write_tensors(folder / "model.safetensors", tensors, {"format": "pt"})
    places = {name: f"model-{place % 2 + 1:05}-of-00002.safetensors" for place, name in enumerate(tensors)}
    for file in set(places.values()):
        part = {name: tensor for name, tensor in tensors.items() if places[name] == file}
        write_tensors(sharded / file, part, {"format": "pt"})
    index = {"metadata": {"total_size": 9256}, "weight_map": places}
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    text = json.dumps({"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "rescale_factor": 1 / 255})
    (folder / "preprocessor_config.json").write_text(text, encoding="utf-8")


def features(folder: Path) -> None:
    """A store with one feature."""
    FeatureStore(folder).put(
        *FEATURE, {"map": torch.arange(24).reshape(2, 3, 4).half(), "pts": torch.ones(2)}
    )


def feature_file() -> str:
    """Where that feature lies in its store."""
    kind, key, digest = FEATURE
    return f"{kind}/{key}/{digest[:2]}/{digest}.safetensors"


def checkpoint(folder: Path) -> None:
    """What a training keeps to go on from."""
    counts = {"ready": 4, "started": 4, "processed": 4, "completed": 4}
    loop = {
        "state_dict": {"combined_loader": [{"done": 4}]},
        "epoch_loop.batch_progress": {"total": dict(counts), "current": dict(counts)},
    }
    content = {
        "epoch": 0,
        "global_step": 4,
        "state_dict": nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).state_dict(),
        "loops": {"fit_loop": loop},
        "callbacks": {"Keeper": {"num_lines": 3}},
        "optimizer_states": [
            {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"lr": 1e-3}]}
        ],
    }
    SafeCheckpointIO().save_checkpoint(content, folder / "last.ckpt")


def video(folder: Path) -> None:
    """A short clip."""
    write_clip(folder / "clip.mp4", moving_square("wave", "0"))


def header_seal(
    metadata: dict[str, str], tensors: dict[str, Tensor]
) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The checksum over tensors and header that recognisers and libraries have."""
    return metadata | {"checksum": seal(tensors, metadata.get("header", ""))}, tensors


def feature_seal(
    metadata: dict[str, str], tensors: dict[str, Tensor]
) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The checksum of a stored feature."""
    value = 0
    for name in sorted(tensors.keys() - {"crc32"}):
        tensor = tensors[name].contiguous()
        value = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), value)
        value = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().tobytes(), value)
    return metadata, tensors | {"crc32": torch.tensor(value, dtype=torch.int64)}
