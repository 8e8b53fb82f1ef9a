"""A recogniser on disk: the same answers, nothing else needed, and refusals that say what to do."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from a2m2.errors import OutputError, WeightsError
from a2m2.networks import build_network
from a2m2.recognize import Recognizer
from a2m2.weights import read_tensors, save_network, seal, write_tensors
from recognize_fixtures import small, squares
from tiny_backbones import save_tiny, tiny_model
from train_fixtures import shake, tiny_settings


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def saved(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "actions.a2m2"
    small(cache).fit(*squares()).save(path)
    return path


@pytest.fixture(scope="module")
def queries() -> list[np.ndarray]:
    return squares(seeds=range(10, 12))[0]


def same(one: Recognizer, other: Recognizer, queries: list[np.ndarray]) -> None:
    """Both answer alike, to the last bit, and know the same."""
    np.testing.assert_array_equal(one.predict_proba(queries), other.predict_proba(queries))
    np.testing.assert_array_equal(one.decision_function(queries), other.decision_function(queries))
    np.testing.assert_array_equal(
        one.predict(queries, reject_unknown=True), other.predict(queries, reject_unknown=True)
    )
    assert one.report_ == other.report_
    assert one.enrolled_.supports == other.enrolled_.supports
    assert one.enrolled_.confidence == other.enrolled_.confidence
    explained, again = one.explain(queries[0]), other.explain(queries[0])
    assert explained == again


def test_a_round_trip_changes_nothing(
    cache: Path, saved: Path, queries: list[np.ndarray], tmp_path: Path
) -> None:
    fitted = small(cache).fit(*squares())
    loaded = Recognizer.load(saved, cache=cache)
    same(fitted, loaded, queries)
    loaded.save(tmp_path / "again.a2m2")
    assert (tmp_path / "again.a2m2").read_bytes() == saved.read_bytes()
    loaded.add(squares(("up",))[0], "up")
    assert loaded.classes_.tolist() == ["down", "left", "right", "up"]


def test_numbers_as_labels_survive(cache: Path, tmp_path: Path, queries: list[np.ndarray]) -> None:
    fitted = small(cache).fit(squares()[0], [3] * 3 + [1] * 3 + [2] * 3)
    fitted.save(tmp_path / "numbers.a2m2")
    same(fitted, Recognizer.load(tmp_path / "numbers.a2m2"), queries)


def test_a_trained_network_is_inside(cache: Path, tmp_path: Path, queries: list[np.ndarray]) -> None:
    settings = tiny_settings("nowhere", "a2.learn_temperature=true").network()
    save_network(tmp_path / "w.safetensors", shake(build_network(settings)), settings, {"run": "r"})
    fitted = Recognizer.from_weights(tmp_path / "w.safetensors", cache=cache).fit(*squares())
    fitted.save(tmp_path / "actions.a2m2")
    (tmp_path / "w.safetensors").unlink()
    loaded = Recognizer.load(tmp_path / "actions.a2m2", cache=tmp_path / "new")
    same(fitted, loaded, queries)
    assert loaded.enrolled_.encoder.saved.provenance == {"run": "r"}
    loaded.add(squares(("up",))[0], "up").remove("left")
    assert loaded.classes_.tolist() == ["down", "right", "up"]


def test_a_frozen_backbone_is_named_and_compared(
    cache: Path, tmp_path: Path, queries: list[np.ndarray]
) -> None:
    folder = save_tiny("resnet", tmp_path / "backbone")
    fitted = small(cache, backbone=str(folder), size=64).fit(*squares())
    fitted.save(tmp_path / "actions.a2m2")
    same(fitted, Recognizer.load(tmp_path / "actions.a2m2"), queries)
    with torch.no_grad():
        other = tiny_model("resnet")
        next(other.parameters()).add_(1)
    other.save_pretrained(folder)
    with pytest.raises(
        WeightsError, match=r"was made with .*backbone of weights [0-9a-f]{16}, but what is there now"
    ):
        Recognizer.load(tmp_path / "actions.a2m2")
    shutil.rmtree(folder)
    with pytest.raises(WeightsError, match=r"no backbone .*backbone; expected a folder"):
        Recognizer.load(tmp_path / "actions.a2m2")


# --- files that are refused ---


def test_every_byte_counts(saved: Path, tmp_path: Path) -> None:
    content = saved.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    places = [
        content.index(b'"left'),
        content.index(b"down"),
        *range(start, len(content), len(content) // 12),
    ]
    for place in places:
        changed = bytearray(content)
        changed[place + 1] ^= 1
        (tmp_path / "changed.a2m2").write_bytes(changed)
        with pytest.raises(
            WeightsError, match=r"its checksum does not fit its content; copy it again, or enrol anew"
        ):
            Recognizer.load(tmp_path / "changed.a2m2")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_file(share: float, saved: Path, tmp_path: Path) -> None:
    content = saved.read_bytes()
    (tmp_path / "cut.a2m2").write_bytes(content[: int(share * len(content))])
    with pytest.raises(
        WeightsError, match=r"cut.a2m2 cannot be read as weights .*; copy it again, or enrol anew"
    ):
        Recognizer.load(tmp_path / "cut.a2m2")


def test_foreign_files(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "text.a2m2").write_text("hello\n")
    with pytest.raises(WeightsError, match=r"text.a2m2 cannot be read as weights"):
        Recognizer.load(tmp_path / "text.a2m2")
    settings = tiny_settings("nowhere").network()
    save_network(tmp_path / "network.safetensors", build_network(settings), settings, {})
    with pytest.raises(
        WeightsError, match=r"is not a recogniser \(format 'a2m2-network-1', expected 'a2m2-recog"
    ):
        Recognizer.load(tmp_path / "network.safetensors")
    with pytest.raises(WeightsError, match=r"no recogniser .*action.a2m2; did you mean .*actions.a2m2"):
        Recognizer.load(saved.parent / "action.a2m2")


def test_a_file_cannot_name_code_to_run(
    saved: Path, forge: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')\n")
    monkeypatch.syspath_prepend(tmp_path)

    def rename(header: dict[str, object], tensors: dict[str, torch.Tensor]) -> None:
        header["settings"]["method"] = "evil:build"

    with pytest.raises(WeightsError, match=r"method 'evil:build' is not one of this package"):
        Recognizer.load(forge(rename))
    assert "evil" not in sys.modules


def test_content_that_does_not_fit_together(forge: Callable[..., Path]) -> None:
    def drop_clip(header: dict[str, object], tensors: dict[str, torch.Tensor]) -> None:
        header["supports"].pop()

    def drop_tensor(header: dict[str, object], tensors: dict[str, torch.Tensor]) -> None:
        del tensors["supports.spans"]

    def drop_key(header: dict[str, object], tensors: dict[str, torch.Tensor]) -> None:
        del header["confidence"]

    def cut_values(header: dict[str, object], tensors: dict[str, torch.Tensor]) -> None:
        tensors["supports.values"] = tensors["supports.values"][:, :, :-1].contiguous()

    def odd_setting(header: dict[str, object], tensors: dict[str, torch.Tensor]) -> None:
        header["settings"]["video"]["num_frames"] = -1

    for change in (drop_clip, drop_tensor, drop_key, cut_values, odd_setting):
        with pytest.raises(
            WeightsError, match=r"forged.a2m2 cannot be used \(.*\); copy it again, or enrol anew"
        ):
            Recognizer.load(forge(change))


def test_an_endless_digest_makes_no_endless_message(forge: Callable[..., Path]) -> None:
    def lengthen(header: dict[str, object], tensors: dict[str, torch.Tensor]) -> None:
        header["weights_digest"] = "x" * 9000

    with pytest.raises(WeightsError, match=r"was made with motion-filters of weights x+ … x+, but") as caught:
        Recognizer.load(forge(lengthen))
    assert len(str(caught.value)) < 800


def test_a_place_that_cannot_be_written(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="it is a folder"):
        Recognizer.load(saved).save(tmp_path / "folder")


@pytest.fixture
def forge(saved: Path, tmp_path: Path) -> Callable[..., Path]:
    """A changed file with a right checksum."""

    def forged(change: Callable[[dict[str, object], dict[str, torch.Tensor]], None]) -> Path:
        metadata, tensors = read_tensors(saved)
        header = json.loads(metadata["header"])
        change(header, tensors)
        text = json.dumps(header)
        path = tmp_path / "forged.a2m2"
        write_tensors(path, tensors, {**metadata, "header": text, "checksum": seal(tensors, text)})
        return path

    return forged
