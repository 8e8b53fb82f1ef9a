"""Model files and checkpoints made to break who reads them: sizes without end, code, numbers that are none."""

from __future__ import annotations

import io
import json
import pickle
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from a2m2.bench.fuzzing import models
from a2m2.data.store import FeatureStore
from a2m2.errors import RecordError, TrainingError, WeightsError
from a2m2.library.catalogue import read_catalogue
from a2m2.library.shards import map_shard
from a2m2.methods import find_method, known_method
from a2m2.recognize.file import load_enrolled
from a2m2.train.keeper import SafeCheckpointIO
from a2m2.train_settings import NetworkSettings
from a2m2.weights import load_network, pack_tensors, read_tensors
from a2m2.weights.claims import check_settings

Values = dict[str, Any]


def forged(path: Path, change: Callable[[Values, dict[str, torch.Tensor]], object]) -> Path:
    """The network in ``path`` with its metadata, as values, and its tensors changed."""
    metadata, tensors = read_tensors(path)
    values = {key: json.loads(text) if text.startswith("{") else text for key, text in metadata.items()}
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    change(values, tensors)
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    path.write_bytes(pack_tensors(tensors, texts))
    return path


def m2(**changes: Any) -> Callable[[Values, object], object]:
    return lambda values, _: values["settings"]["m2"].update(changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (m2(hidden=10**9), r"hidden 1,000,000,000, more than"),
        (m2(hidden=10**6), r"reduction\.layers\.0\.weight has shape \(6, 64, 1, 1\), which does not fit"),
        (m2(components=4000), r"reduction\.layers\.3\.weight has shape \(4, 6, 1, 1\)"),
        (m2(components=10**9), r"components 1,000,000,000"),
        (m2(scales=[[1, 1, 1, 10**6]]), r"regions of a map, more than 4,096"),
        (m2(scales=[[1, 1, 1, 64]] * 5), r"81,920 candidates a clip, more than 65,536"),
        (m2(scales=[[]]), r"a scale of 0 numbers"),
        (m2(newton_steps=10**9), r"newton_steps"),
        (m2(stages=["last"] * 1000), r"stages 1,000"),
        (m2(order="third", sketch_length=10**6), r"projection is missing"),
        (lambda v, _: v["settings"]["video"].update(num_frames=10**9), r"1,000,000,000 frames"),
        (
            lambda v, _: v["settings"]["a2"].update(width=8 * 10**9) or v["settings"].update(method="trx"),
            r"a matcher",
        ),
        (
            lambda v, _: v["settings"].update(method="os:system"),
            r"method 'os:system' is not one of this package",
        ),
        (lambda v, _: v.update(provenance="[]"), r"expected keys and values at the top"),
        (lambda v, _: v.update(settings="[" * 100_000), r"deep"),
        (
            lambda _, t: t["encoder.backbone.first.0.weight"].fill_(float("nan")),
            r"first\.0\.weight is not finite",
        ),
        (lambda _, t: t["encoder.blocks.0.mean"].fill_(float("inf")), r"mean is not finite"),
        (
            lambda _, t: t.update({"encoder.blocks.0.mean": t["encoder.blocks.0.mean"].long()}),
            r"mean is of torch\.int64",
        ),
    ],
)
def test_a_network_that_claims_too_much(
    change: Callable[[Values, dict[str, torch.Tensor]], object], message: str, tmp_path: Path
) -> None:
    models.network(tmp_path)
    path = forged(tmp_path / "weights.safetensors", change)
    with pytest.raises(WeightsError, match=rf"weights\.safetensors .*{message}"):
        load_network(path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"hidden_size": 10**9}, "hidden_size"),
        ({"num_hidden_layers": 10**6}, "1,000,000 layers, but"),
        ({"depths": [10**5] * 4}, "400,000 layers"),
        ({"image_size": 10**5}, "100,000 pixels"),
        ({"image_size": 4096, "patch_size": 1}, "16,777,216 patches"),
        ({"auto_map": {"AutoModel": "evil.Model"}}, "auto_map, which is not read"),
        ({"backbone": "owner/name", "use_pretrained_backbone": True}, "backbone, which is not read"),
    ],
)
def test_a_backbone_that_claims_too_much(config: Values, message: str, tmp_path: Path) -> None:
    models.network(tmp_path)
    architecture = {
        "kind": "transformers",
        "model_type": "vit",
        "config": config,
        "normalisation": {"mean": [0, 0, 0], "std": [1, 1, 1], "gain": 1},
        "stages": ["last"],
        "last_stride": 2,
        "difference": False,
    }
    path = forged(
        tmp_path / "weights.safetensors", lambda values, _: values.update(architecture=architecture)
    )
    with pytest.raises(WeightsError, match=rf"weights\.safetensors .*{message}"):
        load_network(path)


def test_a_file_may_name_code_that_somebody_named_before() -> None:
    name = "a2m2.methods:chamfer_max"
    settings = NetworkSettings(method=name)
    with pytest.raises(ValueError, match="a file must not choose what code is run"):
        check_settings(settings)
    find_method(name)
    assert known_method(name)
    check_settings(settings)


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [0, 2**63], "data_offsets": [0, 0]}},
        {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 2**63]}},
        {"a": {"dtype": "F4", "shape": [32], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F8_E8M0", "shape": [16], "data_offsets": [0, 16]}},
        {"a": {"dtype": "C64", "shape": [2], "data_offsets": [0, 16]}},
        {"a": [[[[]]]]},
    ],
)
def test_headers_that_claim_what_cannot_be(header: Values, tmp_path: Path) -> None:
    text = json.dumps(header).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(16))
    with pytest.raises(WeightsError, match=r"w\.safetensors"):
        load_network(path)
    place = tmp_path / models.feature_file()
    place.parent.mkdir(parents=True)
    place.write_bytes(path.read_bytes())
    assert FeatureStore(tmp_path).get(*models.FEATURE) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h, t: h["supports"][0].update(label=[1]), r"label"),
        (lambda h, t: h["supports"][0].update(label=3), r"numbers and names mixed"),
        (lambda h, t: h.update(order_prior=float("nan")), r"order prior"),
        (lambda h, t: h["confidence"].update(threshold=float("inf")), r"confidence"),
        (lambda h, t: h["settings"]["m2"].update(scales=[[1, 1, 1, 10**5]]), r"regions"),
        (lambda h, t: t["supports.values"].fill_(float("nan")), r"supports\.values is not finite"),
        (lambda h, t: t["thumbnails.lengths"].fill_(-1), r""),
    ],
)
def test_a_recogniser_that_does_not_hold_together(
    change: Callable[[Values, dict[str, torch.Tensor]], object], message: str, tmp_path: Path
) -> None:
    models.recognizers(tmp_path)
    path = tmp_path / "frozen.a2m2"
    metadata, read = read_tensors(path)
    header, tensors = json.loads(metadata["header"]), {name: tensor.clone() for name, tensor in read.items()}
    change(header, tensors)
    metadata, tensors = models.header_seal(metadata | {"header": json.dumps(header)}, tensors)
    path.write_bytes(pack_tensors(tensors, metadata))
    with pytest.raises(WeightsError, match=rf"frozen\.a2m2 cannot be used \(.*{message}"):
        load_enrolled(path)


def test_a_library_that_does_not_hold_together(tmp_path: Path) -> None:
    models.library(tmp_path)
    catalogue = tmp_path / "catalogue.safetensors"
    metadata, tensors = read_tensors(catalogue)
    header = json.loads(metadata["header"])
    for other in (
        {"shards": [["../../etc/passwd", 4]]},
        {"shards": [[header["shards"][0][0], -1]]},
        {"shards": [[header["shards"][0][0], 1]]},
        {"shards": 3},
    ):
        sealed = models.header_seal(metadata | {"header": json.dumps(header | other)}, dict(tensors))
        catalogue.write_bytes(pack_tensors(*reversed(sealed)))  # type: ignore[arg-type]
        with pytest.raises(RecordError, match=r"catalogue\.safetensors cannot be used"):
            read_catalogue(tmp_path)
    shard = tmp_path / "shard.safetensors"
    metadata, tensors = read_tensors(shard)
    for name in ("codes", "scales", "spans", "energy"):
        shard.write_bytes(pack_tensors(tensors | {name: tensors[name][:1]}, metadata))
        with pytest.raises(RecordError, match=r"shard\.safetensors is no shard of this version"):
            map_shard(shard)
    header = json.loads(metadata["header"])
    for digest in ("\ud800", "é"):
        digests = [digest, *header["digests"][1:]]
        shard.write_bytes(pack_tensors(tensors, {"header": json.dumps(header | {"digests": digests})}))
        with pytest.raises(RecordError, match="digests of other than ASCII"):
            map_shard(shard)


class Evil:
    """Asks for a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("ran"),)


def repacked(path: Path, content: bytes | None = None, compression: int = zipfile.ZIP_STORED) -> None:
    """The archive in ``path`` with another pickle, or packed in another way."""
    with zipfile.ZipFile(path) as archive:
        parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, part in parts.items():
            archive.writestr(name, content if content is not None and name.endswith("data.pkl") else part)


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Evil()),
        b"",
        b"\x80\x02" + b"]" * 100_000 + b".",
        b"\x80\x02X\xff\xff\xff\x7fx.",
        b"\x80\x02h\x05.",
    ],
)
def test_a_checkpoint_runs_no_code(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    models.checkpoint(tmp_path)
    repacked(tmp_path / "last.ckpt", content)
    with pytest.raises(TrainingError, match=r"last\.ckpt cannot be read as a checkpoint"):
        SafeCheckpointIO().load_checkpoint(tmp_path / "last.ckpt")
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_that_asks_for_an_endless_name(tmp_path: Path) -> None:
    """torch takes the square of the name's length to refuse it: minutes for this one."""
    models.checkpoint(tmp_path)
    repacked(tmp_path / "last.ckpt", b"\x80\x02ctorch\n" + b"[" * 60_000 + b"\n.")
    begin = time.process_time()
    with pytest.raises(
        TrainingError, match=r"last\.ckpt cannot be read as a checkpoint \(it asks for torch \[{7}"
    ):
        SafeCheckpointIO().load_checkpoint(tmp_path / "last.ckpt")
    assert time.process_time() - begin < 2


def test_a_checkpoint_that_would_grow_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    models.checkpoint(tmp_path)
    repacked(path, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(TrainingError, match=r"last\.ckpt .*it is compressed"):
        SafeCheckpointIO().load_checkpoint(path)
    old = io.BytesIO()
    torch.save({"state_dict": {}, "loops": {}, "callbacks": {}}, old, _use_new_zipfile_serialization=False)
    path.write_bytes(old.getvalue())
    with pytest.raises(TrainingError, match=r"last\.ckpt cannot be read as a checkpoint"):
        SafeCheckpointIO().load_checkpoint(path)


def test_a_checkpoint_without_its_counts(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {}, "loops": {}, "callbacks": {}}, path)
    with pytest.raises(TrainingError, match=r"last\.ckpt .*'fit_loop' is missing"):
        SafeCheckpointIO().load_checkpoint(path)
