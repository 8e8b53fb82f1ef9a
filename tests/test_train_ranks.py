"""A training shared by several processes is the training of one."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file

from a2m2.errors import ConfigError, RankLostError
from a2m2.train.batches import Batches, BatchLoader
from a2m2.train.launch import train_on_devices
from a2m2.train.ranks import ALONE, Ranks, ranks_of
from a2m2.train.stages import StageModule
from a2m2.train.train import train
from a2m2.train_records import TrainRecord, read_metrics, read_training
from a2m2.train_settings import Stage
from train_fixtures import TINY, Crash, crash_at, one_thread, tiny_data, tiny_settings

SHARED = ("pretrain.accumulate=4", "meta.episodes_per_step=4")
TOLERANCE = 1e-5


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


def whole(stage: str, data: Path, cache: Path, folder: Path) -> Path:
    """What one process makes of :data:`SHARED`."""
    train(tiny_settings(data, *SHARED), stage, folder, cache=cache, accelerator="cpu")
    return folder


def by_two(stage: Stage, data: Path, cache: Path, out: Path, **options: Any) -> TrainRecord:
    """The same by two processes."""
    settings = tiny_settings(data, *SHARED)
    return train_on_devices(2, settings, stage, out, cache=cache, accelerator="cpu", num_threads=1, **options)


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    """Everything a training ends with: weights, statistics, mean descriptors, momentum."""
    checkpoint = torch.load(folder / "last.ckpt", weights_only=True)
    tensors = dict(checkpoint["state_dict"]) | load_file(folder / "weights.safetensors")
    for key, values in checkpoint["optimizer_states"][0]["state"].items():
        tensors |= {f"optimizer {key} {name}": v for name, v in values.items() if torch.is_tensor(v)}
    return tensors


def assert_same_training(found: Path, expected: Path) -> None:
    ours, theirs = tensors_of(found), tensors_of(expected)
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        # Gradients are large where descriptors are near the mean, and with them their rounding.
        scale = 10 * max(1.0, float(tensor.abs().max())) if name.startswith("optimizer") else 1.0
        torch.testing.assert_close(ours[name], tensor, rtol=0, atol=TOLERANCE * scale, msg=name)
    lines, others = list(read_metrics(found)), list(read_metrics(expected))
    assert [line.step for line in lines] == [line.step for line in others]
    for line, other in zip(lines, others, strict=True):
        assert line.values == pytest.approx(other.values, rel=2e-5)
    assert replace(read_training(found), weights_digest="") == replace(
        read_training(expected), weights_digest=""
    )


def test_two_processes_of_our_own_pretrain_like_one(data: Path, cache: Path, tmp_path: Path) -> None:
    """Weights, statistics of batch norms, mean descriptors, optimiser and metrics."""
    told: list[tuple[str, int, int]] = []
    record = by_two("pretrain", data, cache, tmp_path / "two", progress=lambda *what: told.append(what))
    assert record == read_training(tmp_path / "two")
    assert record.done
    assert told[-1] == ("pre-training", 6, 6)
    assert_same_training(tmp_path / "two", whole("pretrain", data, cache, tmp_path / "one"))


def test_two_processes_of_torchrun_train_like_one(data: Path, cache: Path, tmp_path: Path) -> None:
    words = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"),
        *("--rdzv-endpoint", "127.0.0.1:0", "-m", "a2m2", "train", "--data", str(data)),
        *("--out", str(tmp_path / "two"), "--cache", str(cache), "--threads", "1", "--device", "cpu"),
        *(word for override in (*TINY, *SHARED) for word in ("--set", override)),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("best validation") == 1
    assert_same_training(tmp_path / "two", whole("meta", data, cache, tmp_path / "one"))


def test_ctrl_c_ends_all_and_one_process_goes_on(data: Path, cache: Path, tmp_path: Path) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if what == "pre-training" and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        by_two("pretrain", data, cache, tmp_path / "two", progress=stop)
    assert not multiprocessing.active_children()
    assert not read_training(tmp_path / "two").done
    settings = tiny_settings(data, *SHARED)
    assert train(settings, "pretrain", tmp_path / "two", resume=True, cache=cache, accelerator="cpu").done
    assert_same_training(tmp_path / "two", whole("pretrain", data, cache, tmp_path / "one"))


def test_a_killed_process_ends_all_and_others_go_on(
    data: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process begins and crashes, two go on and lose one, two more end it."""
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        crash_at(patch, StageModule, "training_step", 10)
        with pytest.raises(Crash):
            whole("meta", data, cache, out)

    def kill(what: str, done: int, total: int) -> None:
        if what == "meta-training" and done == 4:
            victim = max(
                multiprocessing.active_children(), key=lambda process: int(process.name.split("-")[-1])
            )
            victim.kill()

    with pytest.raises(RankLostError, match=r"process 1 of 2 .* killed by signal 9.*--resume"):
        by_two("meta", data, cache, out, resume=True, progress=kill)
    assert not multiprocessing.active_children()
    assert by_two("meta", data, cache, out, resume=True).done
    assert_same_training(out, whole("meta", data, cache, tmp_path / "one"))


def test_what_cannot_be_shared_is_refused_by_all(data: Path, cache: Path, tmp_path: Path) -> None:
    settings = tiny_settings(data, "pretrain.accumulate=3")
    with pytest.raises(ConfigError, match=r"pretrain\.accumulate is 3, which 2 processes.*=2 or 4"):
        train_on_devices(2, settings, "pretrain", tmp_path / "out", cache=cache, accelerator="cpu")
    assert not (tmp_path / "out").exists()


def test_places_given_by_torchrun_and_slurm() -> None:
    torchrun = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
    meeting = {"MASTER_ADDR": "node0", "MASTER_PORT": "29500"}
    assert ranks_of({**torchrun, **meeting}) == Ranks(5, 8, 1, 4)
    assert ranks_of(torchrun) == ALONE
    srun = {
        "SLURM_STEP_NUM_TASKS": "4",
        "SLURM_STEP_NUM_NODES": "2",
        "SLURM_PROCID": "3",
        "SLURM_LOCALID": "1",
    }
    assert ranks_of(srun) == Ranks(3, 4, 1, 2)
    assert ranks_of({**srun, "SLURM_STEP_NUM_TASKS": "1"}) == ALONE
    assert ranks_of({}) == ALONE
    with pytest.raises(ConfigError, match="as many on every machine"):
        ranks_of({**torchrun, **meeting, "LOCAL_WORLD_SIZE": "3"})


def test_batches_are_dealt_in_turn_from_wherever_it_goes_on() -> None:
    class Numbers:
        def __len__(self) -> int:
            return 12

        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            return {"index": torch.tensor(index)}

    def dealt(rank: int, done: int) -> list[int]:
        loader = BatchLoader(cast(Batches, Numbers()), num_workers=0, ranks=Ranks(rank, 3, rank, 3))
        loader.load_state_dict({"done": done})
        assert len(loader) == 4
        return [int(batch["index"]) for batch in loader]

    assert [dealt(rank, 0) for rank in range(3)] == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]
    assert [dealt(rank, 6) for rank in range(3)] == [[6, 9], [7, 10], [8, 11]]
    loader = BatchLoader(cast(Batches, Numbers()), num_workers=0, ranks=Ranks(1, 3, 1, 3))
    loader.mark(7)
    assert loader.state_dict() == {"done": 9}
