"""A training that was killed and resumed ends with the same bytes as one that was not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from a2m2.train.folder import TrainingFolder
from a2m2.train.keeper import Keeper, SafeCheckpointIO
from a2m2.train.stages import StageModule
from a2m2.train.train import train
from a2m2.train_records import METRICS, TrainRecord, read_metrics, read_training
from train_fixtures import TINY, Crash, crash_at, one_thread, tiny_data, tiny_settings

STAGES = {"pretrain": "pretrain", "meta": "train"}
# More and longer steps than those of the others, so that a signal finds them in the middle.
KILLED = (
    *TINY,
    "pretrain.steps=12",
    "meta.steps=12",
    "validation.every=4",
    "checkpoint_every=3",
    "validation.episodes=200",
)


@dataclass(frozen=True)
class Outcome:
    """What must be equal to the last bit."""

    weights: bytes
    head: bytes
    metrics: bytes
    record: bytes
    tensors: dict[str, torch.Tensor]

    @classmethod
    def of(cls, folder: Path) -> Outcome:
        head = folder / "head.safetensors"
        checkpoint = torch.load(folder / "last.ckpt", weights_only=True)
        tensors = dict(checkpoint["state_dict"])
        for number, state in enumerate(checkpoint["optimizer_states"]):
            for key, values in state["state"].items():
                tensors |= {
                    f"optimizer {number} {key} {n}": v for n, v in values.items() if torch.is_tensor(v)
                }
        return cls(
            (folder / "weights.safetensors").read_bytes(),
            head.read_bytes() if head.is_file() else b"",
            (folder / METRICS).read_bytes(),
            (folder / "train.json").read_bytes(),
            tensors,
        )


def assert_same(found: Outcome, expected: Outcome) -> None:
    assert found.metrics.decode() == expected.metrics.decode()
    assert found.record.decode() == expected.record.decode()
    assert found.weights == expected.weights
    assert found.head == expected.head
    assert found.tensors.keys() == expected.tensors.keys()
    for name, tensor in expected.tensors.items():
        assert torch.equal(found.tensors[name], tensor), name


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_data(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def whole(data: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Outcome]:
    """Outcome of an uninterrupted training, made once for each stage and settings."""
    made: dict[tuple[str, ...], Outcome] = {}

    def outcome(stage: str, *overrides: str) -> Outcome:
        key = (stage, *overrides)
        if key not in made:
            folder = tmp_path_factory.mktemp("whole") / "run"
            with one_thread():
                train(tiny_settings(data, *overrides), stage, folder, cache=cache, accelerator="cpu")
            made[key] = Outcome.of(folder)
        return made[key]

    return outcome


# --- crashes inside the process, one at each place where something is left half done ---


PLACES: dict[str, tuple[type, str, int, bool]] = {
    "first batch": (StageModule, "training_step", 1, False),
    "between two batches of a step": (StageModule, "training_step", 6, True),
    "before the weights change": (StageModule, "configure_gradient_clipping", 5, True),
    "before figures are written": (Keeper, "_measure", 5, False),
    "before a validation": (Keeper, "validate", 2, False),
    "before the best step is recorded": (TrainingFolder, "write", 2, False),
    "after the best step is recorded": (TrainingFolder, "write", 2, True),
    "before a checkpoint": (SafeCheckpointIO, "save_checkpoint", 2, False),
    "after a checkpoint": (SafeCheckpointIO, "save_checkpoint", 2, True),
    "before the end is recorded": (Keeper, "finish", 1, False),
    "before the last checkpoint": (SafeCheckpointIO, "save_checkpoint", 3, False),
    "after the end": (SafeCheckpointIO, "save_checkpoint", 3, True),
}


# Every place once in the default run, in turn in one stage and in the other.
CRASHES = [
    pytest.param(stage, place, marks=() if (number + turn) % 2 else pytest.mark.slow, id=f"{stage}-{place}")
    for number, place in enumerate(PLACES)
    for turn, stage in enumerate(STAGES)
]


@pytest.mark.parametrize(("stage", "place"), CRASHES)
def test_a_crash_anywhere_costs_nothing(
    stage: str,
    place: str,
    data: Path,
    cache: Path,
    tmp_path: Path,
    whole: Callable[..., Outcome],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, settings = tmp_path / "run", tiny_settings(data)
    owner, name, call, after = PLACES[place]
    with monkeypatch.context() as patch:
        crash_at(patch, owner, name, call, after=after)
        with pytest.raises(Crash):
            train(settings, stage, out, cache=cache, accelerator="cpu")
    record = train(settings, stage, out, resume=True, cache=cache, accelerator="cpu")
    assert record.done
    assert record == read_training(out)
    assert_same(Outcome.of(out), whole(stage))


def test_crashes_again_and_again_cost_nothing(
    data: Path, cache: Path, tmp_path: Path, whole: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With checkpoints that do not fall on validations or lines of metrics, and clips read from files."""
    overrides = (
        "checkpoint_every=1",
        "log_every=2",
        "validation.every=3",
        "clips_in_memory=false",
        "backbone.difference=true",
    )
    out = tmp_path / "run"
    for _ in range(3):
        with monkeypatch.context() as patch:
            crash_at(patch, StageModule, "training_step", 4)
            with pytest.raises(Crash):
                train(
                    tiny_settings(data, *overrides), "meta", out, resume=True, cache=cache, accelerator="cpu"
                )
    train(tiny_settings(data, *overrides), "meta", out, resume=True, cache=cache, accelerator="cpu")
    assert_same(Outcome.of(out), whole("meta", *overrides))


def test_resuming_what_is_done_changes_nothing(data: Path, cache: Path, tmp_path: Path) -> None:
    out, settings = tmp_path / "run", tiny_settings(data, "meta.steps=1")
    first = train(settings, "meta", out, resume=True, cache=cache, accelerator="cpu")
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    told: list[tuple[str, int, int]] = []
    again = train(
        settings, "meta", out, resume=True, cache=cache, progress=lambda *a: told.append(a), accelerator="cpu"
    )
    assert again == first
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before
    assert told == [("meta-training", 1, 1)]


def test_two_trainings_are_the_same_bytes_and_another_seed_is_not(
    data: Path, cache: Path, tmp_path: Path, whole: Callable[..., Outcome]
) -> None:
    for name, seed in (("same", 0), ("other", 1)):
        train(
            tiny_settings(data, f"seed={seed}"), "pretrain", tmp_path / name, cache=cache, accelerator="cpu"
        )
    assert_same(Outcome.of(tmp_path / "same"), whole("pretrain"))
    assert Outcome.of(tmp_path / "other").weights != whole("pretrain").weights


def test_metrics_have_one_line_a_step_and_a_validation(whole: Callable[..., Outcome], tmp_path: Path) -> None:
    outcome = whole("pretrain")
    (tmp_path / METRICS).write_bytes(outcome.metrics)
    metrics = list(read_metrics(tmp_path))
    assert [m.step for m in metrics if "loss" in m.values] == [1, 2, 3, 4, 5, 6]
    assert [m.step for m in metrics if "validation_accuracy" in m.values] == [2, 4, 6]
    best = TrainRecord.from_json(outcome.record.decode()).best
    assert best is not None
    validated = {
        m.step: m.values["validation_accuracy"] for m in metrics if "validation_accuracy" in m.values
    }
    assert best.accuracy == pytest.approx(max(validated.values()))
    assert best.step == min(step for step, value in validated.items() if value == max(validated.values()))


# --- kills from outside ---


def command(stage: str, data: Path, cache: Path, out: Path, *more: str) -> list[str]:
    sets = [word for override in KILLED for word in ("--set", override)]
    return [
        *(sys.executable, "-m", "a2m2", STAGES[stage], "--data", str(data), "--out", str(out)),
        *("--cache", str(cache), "--threads", "1", "--device", "cpu", *sets, *more),
    ]


def lines_in(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def kill_after(words: list[str], out: Path, lines: int) -> None:
    """Start a training and kill it without warning as soon as it has written ``lines`` more lines of metrics."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    before = lines_in(out / METRICS)
    while process.poll() is None and not lines <= lines_in(out / METRICS) - before < 12:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors.decode()


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_training_ends_the_same(
    stage: str, data: Path, cache: Path, tmp_path: Path, whole: Callable[..., Outcome]
) -> None:
    out = tmp_path / "run"
    kill_after(command(stage, data, cache, out), out, random.Random(stage).randrange(3, 12))
    assert not read_training(out).done
    settings = tiny_settings(data, *KILLED)
    assert train(settings, stage, out, resume=True, cache=cache, accelerator="cpu").done
    assert_same(Outcome.of(out), whole(stage, *KILLED))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("stage", STAGES)
def test_a_training_killed_three_times_ends_the_same(
    stage: str, seed: int, data: Path, cache: Path, tmp_path: Path, whole: Callable[..., Outcome]
) -> None:
    """From the command line alone: every kill and every resumption is a process of its own."""
    out, draw = tmp_path / "run", random.Random(f"{stage} {seed}")
    for _ in range(3):
        words = command(stage, data, cache, out, "--resume")
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        start = time.monotonic()
        while process.poll() is None and not (out / METRICS).is_file() and time.monotonic() < start + 120:
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 2.5))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    subprocess.run(command(stage, data, cache, out, "--resume"), check=True, capture_output=True)
    assert_same(Outcome.of(out), whole(stage, *KILLED))
