"""A whole evaluation on tiny clips: figures, caches, bytes, fits, pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from a2m2.config import load
from a2m2.data.store import FeatureStore
from a2m2.errors import ConfigError, DataError
from a2m2.eval import maps
from a2m2.eval.describe import describe, fit_clips
from a2m2.eval.evaluate import evaluate, plan
from a2m2.eval.maps import ClipMaps
from a2m2.eval.stats import read_summary
from a2m2.nn import Backbone
from a2m2.records import read_episodes, read_evidence, read_run
from a2m2.settings import EvaluateSettings, M2Settings
from tiny_clips import make_dataset

SPLITS = {"train": ["still", "down_right"], "test": ["right", "left", "down", "up"]}
SMALL = ["video.resize=48", "video.crop=48", "protocol.way=3", "protocol.episodes=30", "m2.components=8"]
FEW_FRAMES = "video.num_frames=4"
"""For tests that look at no accuracy."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data") / "squares", splits=SPLITS, clips_per_class=5)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Maps and descriptors that tests without an eye on caches share."""
    return tmp_path_factory.mktemp("cache")


def settings(data: Path, *overrides: str) -> EvaluateSettings:
    return load(EvaluateSettings, None, [*SMALL, *overrides], data=str(data))


class Work:
    """Counts decoded clips and forward passes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.num_decoded = self.num_forward = 0
        read_clip, forward = maps.read_video, Backbone.forward

        def counted_read(path, **options):
            self.num_decoded += 1
            return read_clip(path, **options)

        def counted_forward(backbone, frames):
            self.num_forward += len(frames)
            return forward(backbone, frames)

        monkeypatch.setattr(maps, "read_video", counted_read)
        monkeypatch.setattr(Backbone, "forward", counted_forward)


def test_from_clips_to_records(cache: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = evaluate(settings(data, "protocol.episodes=200"), out=out, cache=cache)
    assert result.summary.methods["a2m2_net"].accuracy > 0.6
    assert read_run(out) == result.run
    assert tuple(read_episodes(out)) == result.records
    assert read_summary(out).methods.keys() == result.run.methods.keys()
    assert result.run.fit == "train"
    assert result.run.classes == ("down", "left", "right", "up")
    assert str(data) not in (out / "run.json").read_text()
    evidence = read_evidence(out)
    assert len(evidence) == 4
    for record in evidence:
        assert sum(map(sum, record.plan)) == pytest.approx(1, abs=1e-3)
        assert all((out / "evidence" / name).is_file() for name in record.query.thumbnails)
        assert len(record.query.spans) == len(record.plan) == 14


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("m2.order=third", "third-order"),
        ("m2.order=brownian", "Brownian-distance"),
        ("m2.order=first+second", "first+second-order"),
        ("m2.root=log_euclidean", "second-order (log_euclidean)"),
    ],
)
def test_other_statistics_from_clips_to_records(
    cache: Path, data: Path, change: str, kind: str, tmp_path: Path
) -> None:
    changed = settings(data, change, "methods=[a2m2_net, protonet]")
    result = evaluate(changed, out=tmp_path / "run", cache=cache)
    assert read_run(tmp_path / "run").methods == {
        "a2m2_net": f"{kind} moments, exact optimal transport",
        "protonet": f"mean of {kind} moments, cosine",
    }
    assert result.summary.methods["a2m2_net"].accuracy > 0.45
    # Once more from stored descriptors.
    assert evaluate(changed, cache=cache).records == result.records


def test_the_regulariser_reaches_the_descriptors() -> None:
    stage_map = torch.rand(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    clip = ClipMaps((stage_map,), torch.arange(4.0, dtype=torch.float64), 4.0)
    found = []
    for eps in (1e-9, 1e-2):
        m2 = M2Settings(components=2, eps=eps)
        found += list(describe(m2, fit_clips(m2, lambda: [clip]), [clip]))
    assert (found[0].values - found[1].values).abs().max() > 1e-3


def test_a_second_method_decodes_nothing(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(monkeypatch)
    cache = tmp_path / "cache"
    evaluate(settings(data, FEW_FRAMES, "methods=[a2m2_net]"), cache=cache)
    assert (work.num_decoded, work.num_forward) == (30, 30)
    evaluate(settings(data, FEW_FRAMES, "methods=[diagonal, protonet, a2_first_order]"), cache=cache)
    assert (work.num_decoded, work.num_forward) == (30, 30)
    changes = ("methods=[a2m2_net]", "m2.components=4", "protocol.shot=2")
    evaluate(settings(data, FEW_FRAMES, *changes), cache=cache)
    assert (work.num_decoded, work.num_forward) == (30, 30)
    assert "0 of 20 test clips still to embed" in "\n".join(
        plan(settings(data, FEW_FRAMES, "methods=[diagonal]"), cache=cache)
    )


def test_two_runs_are_the_same_bytes_with_any_cache_and_threads(data: Path, tmp_path: Path) -> None:
    names = ("run.json", "episodes.jsonl", "summary.json")
    runs = []
    for number, (cache, threads) in enumerate([("one", 1), ("one", 2), ("two", 2)]):
        out = tmp_path / str(number)
        evaluate(settings(data, FEW_FRAMES), out=out, cache=tmp_path / cache, num_threads=threads)
        runs.append([(out / name).read_bytes() for name in names])
    assert runs[0] == runs[1] == runs[2]


def test_without_a_train_split_each_episode_fits_its_supports(tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "flat", splits={"": ["right", "left", "down"]}, clips_per_class=4)
    result = evaluate(settings(root, "protocol.episodes=20", "protocol.shot=2"), cache=tmp_path / "cache")
    assert result.run.fit == "supports"
    assert result.run.notes == ("the data set has no splits: all its clips are test clips",)
    assert result.summary.methods["a2m2_net"].accuracy > 0.4


def test_a_transductive_fit_is_labelled(cache: Path, data: Path) -> None:
    result = evaluate(settings(data, "fit=transductive"), cache=cache)
    assert result.run.notes[0].startswith(
        "transductive: reduction and mean descriptor were fitted on the test clips"
    )


def test_several_stages_and_pooled_splits(cache: Path, data: Path) -> None:
    chosen = settings(data, "m2.stages=[mid, last]", "split=[train, test]", "methods=[a2m2_net, protonet]")
    result = evaluate(chosen, cache=cache)
    assert len(result.run.classes) == 6
    assert result.run.fit == "supports"


def test_truth_beside_the_clips_gives_alignment_truth(data: Path, tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "truth", splits={"test": ["right", "left", "down"]}, clips_per_class=3)
    for clip in root.rglob("*.mp4"):
        spans = [
            {"name": "a", "start_seconds": 0, "end_seconds": 0.5},
            {"name": "b", "start_seconds": 0.5, "end_seconds": 9},
        ]
        clip.with_suffix(".json").write_text(json.dumps({"spans": spans}))
    for fit in ("supports", "transductive"):
        chosen = settings(root, f"fit={fit}", "methods=[a2m2_net, diagonal, protonet]")
        shares = evaluate(chosen, cache=tmp_path / "cache").summary.alignment
        assert list(shares) == ["a2m2_net", "diagonal", "uniform plan"]
        assert shares["diagonal"]["non_idle"]["share"] == 1
        assert shares["uniform plan"]["all"]["share"] == pytest.approx(0.5)


def test_broken_videos_are_named_together_and_the_rest_is_kept(data: Path, tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "broken", splits={"": ["right", "left", "down"]}, clips_per_class=3)
    (root / "left" / "01.mp4").write_text("not a video\n")
    (root / "right" / "02.mp4").write_text("nor this\n")
    cache = tmp_path / "cache"
    with pytest.raises(
        DataError, match=r"^2 videos cannot be decoded: .*left/01\.mp4: .*right/02\.mp4: .*; replace or"
    ):
        evaluate(settings(root, FEW_FRAMES), cache=cache)
    kept = list((cache / "features" / "maps").rglob("*.safetensors"))
    assert len(kept) == 2 * 7


def test_a_damaged_cache_file_is_computed_again(data: Path, tmp_path: Path) -> None:
    first = evaluate(settings(data, FEW_FRAMES), cache=tmp_path)
    for path in (tmp_path / "features" / "descriptors").rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:100])
    for path in list((tmp_path / "features" / "maps").rglob("*.safetensors"))[::2]:
        path.write_bytes(path.read_bytes()[:-1])
    assert evaluate(settings(data, FEW_FRAMES), cache=tmp_path).records == first.records


def test_a_write_that_fails_is_named(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FeatureStore, "put", explode)
    with pytest.raises(KeyboardInterrupt):
        evaluate(settings(data), out=tmp_path / "run", cache=tmp_path / "cache")
    assert not (tmp_path / "run").exists()


def test_impossible_settings_are_named_before_the_work(data: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"unknown method 'diagnal'; did you mean 'diagonal'\? Known: a2m2_net"
    ):
        evaluate(settings(data, "methods=[diagnal]"), cache=tmp_path)
    with pytest.raises(ConfigError, match=r"no methods to run; name at least one"):
        evaluate(settings(data, "methods=[]"), cache=tmp_path)
    with pytest.raises(
        DataError, match=r"no train split apart from the test clips to fit on; use --fit supports"
    ):
        evaluate(settings(data, "split=[train]", "fit=train", "protocol.way=2"), cache=tmp_path)
    with pytest.raises(ConfigError, match=r"no split to test on; name one of test, train with --split"):
        evaluate(settings(data, "split=[]"), cache=tmp_path)


def test_a_method_of_an_outsider(cache: Path, data: Path) -> None:
    name = "a2m2.methods:diagonal"
    result = evaluate(settings(data, f"methods=['{name}', diagonal]"), cache=cache)
    assert all(r.predictions[name] == r.predictions["diagonal"] for r in result.records)


def test_maps_are_kept_in_half_precision(cache: Path, data: Path) -> None:
    evaluate(settings(data, "methods=[diagonal]"), cache=cache)
    store = FeatureStore(cache / "features")
    path = next((store.root / "maps").rglob("*.safetensors"))
    tensors = store.get("maps", path.parts[-3], path.stem)
    assert tensors["map"].dtype == torch.float16
