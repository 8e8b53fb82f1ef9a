"""The long part of a reproduction: one pre-training, a meta-training for each number of shots, then the tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from a2m2.devices import DeviceName
from a2m2.errors import ConfigError
from a2m2.eval.evaluate import evaluate
from a2m2.eval.results import MARKER
from a2m2.eval.stats import Summary, read_summary
from a2m2.progress import Progress
from a2m2.records import RunRecord, read_run
from a2m2.reproduce.plan import Reproduction
from a2m2.train.prepare import prepare
from a2m2.train.train import train
from a2m2.train_records import is_training, read_training


@dataclass(frozen=True)
class Tested:
    """One test and its figures."""

    shot: int
    run: RunRecord
    summary: Summary


def run(
    job: Reproduction,
    *,
    cache: Path | None = None,
    progress: Progress,
    num_threads: int | None = None,
    accelerator: DeviceName | Literal["gpu"] = "auto",
) -> tuple[Tested, ...]:
    """Train and test; what is done already is kept, and what was interrupted goes on.

    No test begins before the last training is done, so nothing that is seen in one can change another. A test that is
    done is read and never made again.

    Args:
        job: whose manifest is written.
        cache: as in :func:`a2m2.train.train.train`.
        progress: told about every step.
        num_threads: as in :func:`a2m2.train.train.train`.
        accelerator: ``auto``, ``cpu``, or ``gpu`` or ``cuda``, which are the same; for the tests too.

    Raises:
        A2M2Error: settings, data or weights that cannot be used; trainings or tests in ``job.out`` with other settings
            or weights.
    """
    if not is_training(job.pretrained):
        # The second stage is refused now, not after the first: most shots need most clips.
        prepare(job.training(max(job.shots)), "meta", cache=cache, progress=progress)
    train(
        job.recipe,
        "pretrain",
        job.pretrained,
        resume=True,
        cache=cache,
        progress=progress,
        num_threads=num_threads,
        accelerator=accelerator,
    )
    for shot in job.shots:
        train(
            job.training(shot),
            "meta",
            job.trained(shot),
            start=job.pretrained,
            resume=True,
            cache=cache,
            progress=_named(progress, shot),
            num_threads=num_threads,
            accelerator=accelerator,
        )
    return tuple(
        _test(
            job,
            shot,
            cache=cache,
            progress=_named(progress, shot),
            num_threads=num_threads,
            device="cuda" if accelerator == "gpu" else accelerator,
        )
        for shot in job.shots
    )


def _test(
    job: Reproduction,
    shot: int,
    *,
    cache: Path | None,
    progress: Progress,
    num_threads: int | None,
    device: DeviceName,
) -> Tested:
    folder, settings = job.tested(shot), job.test(shot)
    if not (folder / MARKER).is_file():
        result = evaluate(
            settings, out=folder, cache=cache, progress=progress, num_threads=num_threads, device=device
        )
        return Tested(shot, result.run, result.summary)
    record = read_run(folder)
    protocol = settings.protocol.model_dump(mode="json")
    changed = [key for key, value in protocol.items() if record.config["protocol"][key] != value]
    if changed:
        key = changed[0]
        raise ConfigError(
            f"{folder} holds a test with other settings ({key} was {record.config['protocol'][key]}, is "
            f"{protocol[key]}); a test is made once: give the same settings, or another --out"
        )
    weights = read_training(job.trained(shot)).weights_digest
    if record.weights_digest != weights:
        raise ConfigError(
            f"{folder} holds a test of other weights ({record.weights_digest}) than those in {job.trained(shot)} "
            f"({weights}); a test is made once: give another --out"
        )
    return Tested(shot, record, read_summary(folder))


def _named(progress: Progress, shot: int) -> Progress:
    """``progress`` that says for how many shots."""

    def told(what: str, done: int, total: int) -> None:
        progress(f"{shot}-shot {what}", done, total)

    return told
