"""Trainings side by side: order, resumption, errors, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from a2m2.errors import ConfigError, TrainingError
from a2m2.train.jobs import TrainJob, run_jobs
from train_fixtures import tiny_data, tiny_settings


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_data(tmp_path_factory.mktemp("data") / "squares")


def test_a_job_waits_for_its_start_and_what_is_done_is_kept(data: Path, tmp_path: Path) -> None:
    settings = tiny_settings(data, "pretrain.steps=2", "meta.steps=2")
    first = TrainJob("base", settings, "pretrain", tmp_path / "base")
    second = TrainJob("episodes", settings, "meta", tmp_path / "episodes", first.out)
    seen: list[tuple[str, int, int]] = []
    jobs = [second, first]  # the order of the list does not matter
    records = run_jobs(
        jobs, num_workers=1, cache=tmp_path / "cache", progress=lambda *step: seen.append(step)
    )
    assert records["episodes"].start == records["base"].weights_digest
    assert [name for name, done, total in seen if done == total][-1] == "episodes: meta-training"
    before = (second.out / "weights.safetensors").read_bytes()
    assert run_jobs([first, second], num_workers=1, cache=tmp_path / "cache") == records
    assert (second.out / "weights.safetensors").read_bytes() == before


def test_the_job_that_failed_is_named(data: Path, tmp_path: Path) -> None:
    broken = tiny_settings(tmp_path / "nothing")
    with pytest.raises(TrainingError, match=r"^two: no folder or manifest .*nothing"):
        run_jobs(
            [TrainJob("two", broken, "pretrain", tmp_path / "two")], num_workers=1, cache=tmp_path / "cache"
        )


def test_jobs_that_wait_for_each_other_are_refused(data: Path, tmp_path: Path) -> None:
    settings, one, two = tiny_settings(data), tmp_path / "one", tmp_path / "two"
    circle = [TrainJob("a", settings, "meta", one, two), TrainJob("b", settings, "meta", two, one)]
    with pytest.raises(ConfigError, match=r"training a waits for one that waits for it"):
        run_jobs(circle, num_workers=1)


def test_a_process_that_is_killed_is_no_traceback(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("a2m2.train.jobs._work", _die)
    job = TrainJob("doomed", tiny_settings(data), "pretrain", tmp_path / "doomed")
    with pytest.raises(
        TrainingError, match=r"^doomed: a process .* was killed, .*; run the same again to go on"
    ):
        run_jobs([job], num_workers=1)


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_workers_do_not_outlive_a_parent_that_is_killed(data: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path\n"
        "from a2m2.train.jobs import TrainJob, run_jobs\n"
        "from train_fixtures import tiny_settings\n"
        "if __name__ == '__main__':\n"
        f"    settings = tiny_settings({str(data)!r}, 'pretrain.steps=100000')\n"
        f"    out = Path({str(tmp_path)!r})\n"
        "    run_jobs([TrainJob('long', settings, 'pretrain', out / 'long')], cache=out / 'cache')\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
    metrics = tmp_path / "long" / "metrics.jsonl"
    try:
        while not metrics.is_file() and parent.poll() is None:
            time.sleep(0.1)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        time.sleep(2.0)
        size = metrics.stat().st_size
        time.sleep(2.0)
        assert metrics.stat().st_size == size
    finally:
        parent.kill()
