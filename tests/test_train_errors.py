"""What can go wrong in a training is said in one line, and what was finished stays usable."""

from __future__ import annotations

import errno
import os
import pickle
import re
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from a2m2.cli.main import main
from a2m2.errors import (
    A2M2Error,
    ConfigError,
    DataError,
    EpisodeError,
    OutputError,
    TrainingError,
    WeightsError,
)
from a2m2.train.batches import ClipBatches, EpisodeBatches
from a2m2.train.prepare import prepare
from a2m2.train.stages import StageModule
from a2m2.train.train import train
from a2m2.train_records import METRICS, TrainRecord, read_metrics, read_training
from a2m2.weights import load_network, read_tensors
from train_fixtures import SPLITS, TINY, tiny_data, tiny_settings

Start = Callable[..., TrainRecord]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_data(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def start(data: Path, cache: Path) -> Start:
    def run(out: Path, *overrides: str, stage: str = "meta", **options: object) -> TrainRecord:
        settings = tiny_settings(data, *overrides)
        return train(settings, stage, out, cache=cache, accelerator="cpu", num_threads=1, **options)

    return run


@pytest.fixture(scope="module")
def trained(data: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished pre-training."""
    out = tmp_path_factory.mktemp("trained") / "run"
    settings = tiny_settings(data, "pretrain.steps=2")
    train(settings, "pretrain", out, cache=cache, accelerator="cpu", num_threads=1)
    return out


# --- numbers that are none ---


def poison(monkeypatch: pytest.MonkeyPatch, batches: type, index: int, key: str = "frames") -> None:
    """Let batch ``index`` hold NaN where it holds frames."""
    get = batches.__getitem__

    def poisoned(self: object, number: int) -> dict[str, torch.Tensor]:
        batch = get(self, number)
        return batch | {key: batch[key] * float("nan")} if number == index else batch

    monkeypatch.setattr(batches, "__getitem__", poisoned)


@pytest.mark.parametrize("method", ["a2m2_net", "diagonal", "protonet"])
def test_an_episode_that_gives_nan_is_named(
    method: str, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        poison(patch, EpisodeBatches, 7)
        with pytest.raises(TrainingError) as caught:
            start(out, f"method={method}")
    assert re.search(r"not finite|is nan", str(caught.value))
    assert re.search(
        r"at step 4 \(episode 7 of seed 0, classes (down|left|right), (down|left|right)\)", str(caught.value)
    )
    assert "--weights" in str(caught.value)
    # What was there before stays: weights of the best validation, a checkpoint of step 2.
    assert load_network(out).provenance["step"] == 2
    assert start(out, f"method={method}", resume=True).done


def test_a_batch_that_gives_nan_is_named(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, ClipBatches, 4)
    with pytest.raises(TrainingError, match=r"at step 3 \(batch 4, clips train/\w+/\d\d\.mp4, .*, …\)"):
        start(tmp_path / "run", stage="pretrain")


@pytest.mark.parametrize("stage", ["pretrain", "meta"])
def test_a_learning_rate_that_explodes_is_told_so(stage: str, start: Start, tmp_path: Path) -> None:
    overrides = [
        f"{stage}.optimizer.lr=1.0e+30",
        f"{stage}.optimizer.clip_norm=1.0e+30",
        "validation.every=1",
    ]
    with pytest.raises(TrainingError, match=r"at step \d.*[Ll]ower the learning rate"):
        start(tmp_path / "run", *overrides, stage=stage)


def test_a_gradient_that_is_not_finite_names_step_and_parameter(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = StageModule.configure_gradient_clipping
    calls = 0

    def spoilt(self: StageModule, *arguments: object, **options: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            dict(self.named_parameters())["network.encoder.blocks.0.reduction.layers.3.weight"].grad[0] = (
                torch.inf
            )
        clip(self, *arguments, **options)

    monkeypatch.setattr(StageModule, "configure_gradient_clipping", spoilt)
    with pytest.raises(
        TrainingError,
        match=r"not finite at step 2, first in network\.encoder\.blocks\.0\.reduction\.layers\.3\.weight;",
    ):
        start(tmp_path / "run")
    assert [metric.step for metric in read_metrics(tmp_path / "run")] == [1]


# --- data and settings ---


def test_test_classes_are_never_seen() -> None:
    with pytest.raises(
        ConfigError, match=r"split is test, which training must not see; name the split of the base"
    ):
        tiny_settings("x", "split=test")
    with pytest.raises(ConfigError, match=r"validation: split is test; weights chosen on the test classes"):
        tiny_settings("x", "validation.split=test")
    with pytest.raises(
        ConfigError, match=r"split and validation.split are both 'train'; their classes must differ"
    ):
        tiny_settings("x", "validation.split=train")
    with pytest.raises(ConfigError, match=r"augment: crop_scales must be shares in \(0, 1\], at least one"):
        tiny_settings("x", "augment.crop_scales=[1.5]")
    with pytest.raises(ConfigError, match=r"did you mean 'pretrain.batch'\?"):
        tiny_settings("x", "pretrain.bach=3")


CLASSES = {
    "no val split": (
        {"train": ["right", "left"], "test": ["up"]},
        (),
        DataError,
        r"val.*train",
    ),
    "no splits": (
        {"": ["right", "left"]},
        (),
        DataError,
        r"has no splits, and training needs two: .*ROOT/train/CLASS/",
    ),
    "shared classes": (
        {"train": ["right", "left"], "val": ["left", "up"]},
        (),
        DataError,
        r"1 classes are in both train and val, such as 'left'; validation classes must be new",
    ),
    "small base classes": (
        SPLITS,
        ("meta.shot=3",),
        EpisodeError,
        r"shot 3 \+ query 1 needs 4 videos a class, but 'down' has 3, 'left' has 3, 'right' has 3",
    ),
    "few base classes": (SPLITS, ("meta.way=4",), EpisodeError, r"4-way episodes need 4 classes, got 3"),
    "small validation classes": (
        SPLITS,
        ("validation.query=3",),
        EpisodeError,
        r"shot 1 \+ query 3 needs 4 videos a class, but 'still' has 3, 'up' has 3",
    ),
    "few validation classes": (
        SPLITS,
        ("validation.way=5",),
        EpisodeError,
        r"5-way episodes need 5 classes, got 2",
    ),
}


@pytest.mark.parametrize("case", CLASSES)
def test_classes_that_do_not_do_are_named_before_anything_is_written(
    case: str, cache: Path, tmp_path: Path
) -> None:
    splits, overrides, kind, message = CLASSES[case]
    root = tiny_data(tmp_path / "data", splits)
    settings = tiny_settings(root, *overrides)
    with pytest.raises(kind, match=message):
        prepare(settings, "meta", cache=cache)
    with pytest.raises(kind, match=message):
        train(settings, "meta", tmp_path / "run", cache=cache)
    assert not (tmp_path / "run").exists()


def test_pretraining_does_not_mind_what_episodes_would_need(start: Start, tmp_path: Path) -> None:
    assert start(tmp_path / "run", "meta.shot=50", "pretrain.steps=1", stage="pretrain").done


@pytest.mark.parametrize("memory", ["true", "false"])
def test_a_clip_that_is_none_is_named(memory: str, tmp_path: Path, cache: Path) -> None:
    root = tiny_data(tmp_path / "data")
    for path in root.glob("train/*/*.mp4"):
        path.write_text(f"not a video {path}\n")
    settings = tiny_settings(root, f"clips_in_memory={memory}")
    with pytest.raises(A2M2Error, match=r"cannot (be )?decoded?.* .*\.mp4"):
        train(settings, "pretrain", tmp_path / "run", cache=cache, accelerator="cpu")


# --- weights to start from ---


def test_weights_of_another_configuration_name_the_first_tensor(
    trained: Path, start: Start, tmp_path: Path
) -> None:
    with pytest.raises(
        WeightsError,
        match=r"are of another configuration: encoder\.blocks\.0\.mean has shape \(36,\), expected \(55,\)",
    ):
        start(tmp_path / "run", "m2.components=5", start=trained)
    with pytest.raises(
        WeightsError,
        match=r"are of another configuration: they lack encoder\.backbone\.matching\.log_sharpness and \d+ more",
    ):
        start(tmp_path / "run", "backbone.difference=true", start=trained)
    with pytest.raises(
        WeightsError, match=r"they hold the unknown encoder\.blocks\.0\.mean; use the configuration"
    ):
        start(tmp_path / "run", "m2.center=false", start=trained)
    # Pre-training has no matcher to hand over: a gate begins anew.
    assert start(tmp_path / "gated", "a2.weights=gate", "meta.steps=1", start=trained).start
    assert not (tmp_path / "run").exists()
    # The matcher of another method is not looked at.
    assert start(tmp_path / "run", "method=diagonal", "meta.steps=1", start=trained).start


@pytest.mark.parametrize("change", ["m2.order=third", "m2.root=log_euclidean", "m2.order=first+second"])
def test_another_statistic_begins_with_a_mean_of_its_own(
    change: str, trained: Path, start: Start, tmp_path: Path
) -> None:
    assert start(tmp_path / "run", change, "meta.steps=1", start=trained).start
    encoder = load_network(tmp_path / "run").network.encoder
    assert encoder.mean is not None
    assert encoder.mean.abs().sum() > 0
    before = load_network(trained).network.encoder
    assert before.mean is not None
    assert encoder.mean.shape != before.mean.shape or not torch.allclose(encoder.mean, before.mean, atol=0.5)


def test_weights_that_are_none_are_named(trained: Path, start: Start, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no weights .*trainde; did you mean .*trained\?"):
        (tmp_path / "trained").mkdir()
        start(tmp_path / "run", start=tmp_path / "trainde")
    with pytest.raises(
        WeightsError, match=r"trained holds no weights\.safetensors; expected a folder of 'a2m2 pre"
    ):
        start(tmp_path / "run", start=tmp_path / "trained")
    (tmp_path / "weights.safetensors").write_bytes((trained / "weights.safetensors").read_bytes()[:500])
    with pytest.raises(
        WeightsError, match=r"weights\.safetensors cannot be read as weights \(.*\); copy or train"
    ):
        start(tmp_path / "run", start=tmp_path / "weights.safetensors")
    with pytest.raises(
        WeightsError, match=r"head\.safetensors is not a network of a2m2 \(format None, expected"
    ):
        start(tmp_path / "run", start=trained / "head.safetensors")


# --- the folder ---


def test_a_training_is_not_overwritten(trained: Path, start: Start, cache: Path, tmp_path: Path) -> None:
    before = (trained / "weights.safetensors").read_bytes()
    with pytest.raises(
        OutputError, match=r"run holds a training; go on with it by --resume, or give another folder"
    ):
        start(trained, stage="pretrain")
    with pytest.raises(
        ConfigError,
        match=r"with other settings \(augment\.flip was False, is True\); resume with those in .*config",
    ):
        start(trained, "pretrain.steps=2", "augment.flip=true", stage="pretrain", resume=True)
    with pytest.raises(ConfigError, match=r"other settings \(it is a pretrain stage\)"):
        start(trained, "pretrain.steps=2", stage="meta", resume=True)
    with pytest.raises(
        ConfigError, match=r"a training on other clips or from other weights; give the same again"
    ):
        start(trained, "pretrain.steps=2", stage="pretrain", resume=True, start=trained)
    assert (trained / "weights.safetensors").read_bytes() == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match=r"file is a file; give a folder"):
        start(tmp_path / "file")
    with pytest.raises(OutputError, match=r"holds files but no train\.json; give a new or an empty folder"):
        start(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "cannot be read"), ('{"schema": 99}', "records of schema 99")]
)
def test_a_damaged_record_is_named(text: str, message: str, start: Start, tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text(text)
    with pytest.raises(A2M2Error, match=rf"train\.json.*{message}"):
        start(tmp_path, resume=True)


# --- checkpoints ---


class Bomb:
    """What a hostile file would hold: unpickling it makes a file."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.place,))


@pytest.fixture
def halted(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A training that was stopped in its third step."""
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        poison(patch, EpisodeBatches, 5)
        with pytest.raises(TrainingError):
            start(out)
    return out


def test_a_damaged_checkpoint_is_named_and_can_be_removed(halted: Path, start: Start, tmp_path: Path) -> None:
    checkpoint, bomb = halted / "last.ckpt", tmp_path / "exploded"
    good = checkpoint.read_bytes()
    torch.save({"state_dict": {}}, tmp_path / "other.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"bomb": Bomb(bomb)}, tmp_path / "bomb.pt")
    damaged = {
        "empty": b"",
        "cut": good[: len(good) // 2],
        "text": b"hello\n",
        "zeros": bytes(len(good)),
        "another dictionary": (tmp_path / "other.pt").read_bytes(),
        "a list": (tmp_path / "list.pt").read_bytes(),
        "code": pickle.dumps(Bomb(bomb)),
        "code in a zip file": (tmp_path / "bomb.pt").read_bytes(),
    }
    for name, content in damaged.items():
        checkpoint.write_bytes(content)
        with pytest.raises(
            TrainingError, match=r"last\.ckpt cannot be read as a checkpoint \(.+\); remove it to start"
        ):
            start(halted, resume=True)
        assert not bomb.exists(), name
        assert load_network(halted).provenance["step"] == 2
    checkpoint.unlink()
    assert start(halted, resume=True).done
    assert [metric.step for metric in read_metrics(halted)] == [1, 2, 2, 3, 4, 4, 5, 6, 6]


def test_a_metrics_file_with_a_torn_line_is_cut(halted: Path, start: Start) -> None:
    with (halted / METRICS).open("a") as lines:
        lines.write('{"step": 3, "lo')
    assert start(halted, resume=True).done
    assert [metric.step for metric in read_metrics(halted)] == [1, 2, 2, 3, 4, 4, 5, 6, 6]


# --- full disks ---


FULL = {
    "a checkpoint": ("last.ckpt", 2),
    "the weights": ("weights.safetensors", 1),
    "the record": ("train.json", 2),
    "the figures": (METRICS, 4),
}


@pytest.mark.parametrize("what", FULL)
def test_a_full_disk_is_named_and_what_was_written_stays(
    what: str, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write number ``count`` of a file finds no space, as an operating system would say it."""
    name, count = FULL[what]
    out, writes = tmp_path / "run", 0

    def full(place: object) -> None:
        nonlocal writes
        if Path(str(place)).name == name:
            writes += 1
            if writes == count:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    replace, path_open = os.replace, Path.open

    def full_replace(source: object, target: object) -> None:
        full(target)
        replace(source, target)

    def full_open(path: Path, mode: str = "r", *arguments: object, **options: object) -> object:
        if mode == "a":
            full(path)
        return path_open(path, mode, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full_replace)
        patch.setattr(Path, "open", full_open)
        with pytest.raises(
            OutputError, match=rf"cannot write .*{re.escape(name)}: the disk is full; free some space"
        ):
            start(out)
    assert not list(out.glob(".tmp-*"))
    assert not read_training(out).done
    if (out / "weights.safetensors").is_file():
        load_network(out)
    if (out / "last.ckpt").is_file():
        torch.load(out / "last.ckpt", weights_only=True)
    assert start(out, resume=True).done


def test_a_limit_on_files_is_named_and_a_higher_one_lets_it_go_on(start: Start, tmp_path: Path) -> None:
    """The operating system's own refusal, however torch and safetensors write."""
    out, (soft, hard) = tmp_path / "run", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(
            OutputError,
            match=r"cannot write .*weights\.safetensors: the file is larger than the limit set for files",
        ):
            start(out, stage="pretrain")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(out.glob(".tmp-*"))
    assert start(out, stage="pretrain", resume=True).done


# --- the command line ---


def test_errors_leave_the_command_line_in_one_line(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = read_training(trained).config["data"]
    sets = [word for override in TINY for word in ("--set", override)]
    cases: list[tuple[list[object], str]] = [
        (["pretrain", "--out", tmp_path / "run"], "data: field required"),
        (
            ["pretrain", "--data", root, "--out", trained, *sets],
            "holds a training; go on with it by --resume",
        ),
        (
            ["train", "--data", root, "--out", tmp_path / "run", *sets, "--set", "m2.reduction=pca"],
            "needs m2.reduction conv, got pca",
        ),
        (
            ["train", "--data", root, "--out", tmp_path / "run", *sets, "--method", "diagnal"],
            "did you mean 'diagonal'?",
        ),
        (
            ["train", "--data", root, "-o", tmp_path / "run", *sets, "--weights", tmp_path / "no"],
            "no weights",
        ),
        (
            ["train", "--data", root, "-o", tmp_path / "run", "-c", "synth-smal"],
            "no configuration file synth-smal",
        ),
    ]
    for words, expected in cases:
        monkeypatch.setattr(sys, "argv", ["a2m2", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 1, words
        errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        assert expected in errors[0], words
    assert not (tmp_path / "run").exists()


def test_a_dry_run_plans_both_stages_and_writes_nothing(
    trained: Path,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = read_training(trained).config["data"]
    sets = [word for override in TINY for word in ("--set", override)]
    shared = ["--data", root, "--out", tmp_path / "run", "--cache", cache, "--dry-run", *sets]
    expected = {
        "pretrain": "pre-training: 6 steps of 8 clips (5.3 epochs), 3 classes",
        "train": "meta-training: 6 steps of 2 episodes, 2-way 1-shot, 1 queries a class",
    }
    for name, line in expected.items():
        monkeypatch.setattr(sys, "argv", ["a2m2", *map(str, [name, *shared])])
        with pytest.raises(SystemExit) as stop:
            main()
        assert not stop.value.code
        printed = capsys.readouterr().out
        assert line in printed
        assert "clips: 9 of train, 6 of val (2 classes)" in printed
    assert not (tmp_path / "run").exists()


def test_the_classifier_of_other_classes_is_not_taken(trained: Path, start: Start, tmp_path: Path) -> None:
    _, tensors = read_tensors(trained / "head.safetensors")
    assert tensors["order.weight"].shape[0] == 3
    overrides = ("meta.base_loss_weight=0.5", "meta.steps=1")
    assert start(tmp_path / "run", *overrides, start=trained).done
    with pytest.raises(
        ConfigError, match=r"head\.safetensors is the classifier of other classes or descriptors"
    ):
        start(tmp_path / "other", *overrides, "m2.scales=[[1, 1]]", start=trained)
