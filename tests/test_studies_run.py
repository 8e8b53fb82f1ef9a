"""A study from a grid to figures: nothing is computed twice, and what is killed goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import a2m2.eval.trained as trained
import a2m2.studies.run as study_run
from a2m2.errors import A2M2Error, RecordError
from a2m2.eval.stats import paired_difference, verified_accuracies
from a2m2.model import FewShotModel
from a2m2.records import read_run
from a2m2.studies.grid import GridSettings
from a2m2.studies.run import plan, run
from a2m2.study_records import StudyRecord, read_study
from a2m2.train.train import train
from tiny_clips import make_dataset
from train_fixtures import SPLITS, tiny_settings


def quiet(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    splits = {**SPLITS, "test": ["up", "still", "down_right"]}
    return make_dataset(tmp_path_factory.mktemp("data") / "squares", splits=splits, clips_per_class=4)


@pytest.fixture(scope="module")
def networks(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two untrained networks, ``seed-0`` and ``seed-1``."""
    place = tmp_path_factory.mktemp("networks")
    for seed in (0, 1):
        settings = tiny_settings(data, "pretrain.steps=0", f"seed={seed}", f"backbone.random_seed={seed}")
        train(settings, "pretrain", place / f"seed-{seed}", cache=place / "cache")
    return place


def grid(data: Path, networks: Path, **changes: Any) -> GridSettings:
    values: dict[str, Any] = {
        "title": "tiny",
        "evaluate": {
            "data": str(data),
            "weights": [f"{networks}/seed-{{seed}}"],
            "methods": ["a2m2_net", "diagonal"],
            "protocol": {"way": 3, "episodes": 20},
        },
        "axes": {"protocol.shot": [1, 2], "seed": [0, 1]},
        "repeat": "seed",
    }
    return GridSettings.build({**values, **changes})


@pytest.fixture(scope="module")
def study(data: Path, networks: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StudyRecord]:
    out = tmp_path_factory.mktemp("study") / "out"
    return out, run(grid(data, networks), out, cache=out.parent / "cache", progress=quiet)


def test_figures_are_those_of_the_records(study: tuple[Path, StudyRecord]) -> None:
    out, record = study
    assert record == read_study(out)
    figure = next(
        one for one in record.figures if one.labels == {"protocol.shot": "1"} and one.method == "diagonal"
    )
    folders = [out / "cells" / f"shot-1_seed-{seed}" for seed in (0, 1)]
    arrays = [verified_accuracies(folder, read_run(folder)) for folder in folders]
    assert figure.repeats == tuple(float(one["diagonal"].mean()) for one in arrays)
    assert figure.accuracy == pytest.approx(np.mean(figure.repeats))
    difference = next(one for one in record.differences if one.labels == {"protocol.shot": "1"})
    assert (difference.kind, difference.a, difference.b) == ("method", "a2m2_net", "diagonal")
    means = [np.mean([one[method] for one in arrays], axis=0) for method in ("a2m2_net", "diagonal")]
    assert (difference.difference, difference.interval95) == pytest.approx(paired_difference(*means))
    growths = [one for one in record.differences if one.kind == "growth"]
    assert [(one.axis, one.b) for one in growths] == [("protocol.shot", "diagonal")]


def test_another_matcher_decodes_nothing_and_describes_nothing(
    data: Path, networks: Path, study: tuple[Path, StudyRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, _ = study
    counts = {"decoded": 0, "encoded": 0}
    read, encode = trained.read_video, FewShotModel.encode

    def counted_read(*arguments: Any, **options: Any) -> Any:
        counts["decoded"] += 1
        return read(*arguments, **options)

    def counted_encode(*arguments: Any, **options: Any) -> Any:
        counts["encoded"] += 1
        return encode(*arguments, **options)

    monkeypatch.setattr(trained, "read_video", counted_read)
    monkeypatch.setattr(FewShotModel, "encode", counted_encode)
    again = grid(data, networks)
    more = again.model_copy(update={"evaluate": {**again.evaluate, "methods": ["protonet"]}})
    run(more, out.with_name("more"), cache=out.parent / "cache", progress=quiet)
    assert counts == {"decoded": 0, "encoded": 0}
    run(more, out.with_name("elsewhere"), cache=out.parent / "another_cache", progress=quiet)
    assert counts["decoded"] == 24, "12 clips for each of two networks: the counters do count"


def test_a_killed_study_goes_on_without_repeating_cells(
    data: Path, networks: Path, study: tuple[Path, StudyRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, record = study
    out, cache = first.with_name("killed"), first.parent / "cache"
    done: list[str] = []
    evaluate = study_run.evaluate

    def killed_at_the_third(settings: Any, *, out: Path, **options: Any) -> Any:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(out.name)
        return evaluate(settings, out=out, **options)

    monkeypatch.setattr(study_run, "evaluate", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run(grid(data, networks), out, cache=cache, progress=quiet)
    assert [cell.name for cell in plan(grid(data, networks), out).missing_cells] == [
        "shot-2_seed-0",
        "shot-2_seed-1",
    ]
    with pytest.raises(RecordError, match=r"holds no study\.json"):
        read_study(out)

    repeated: list[str] = []

    def noted(settings: Any, *, out: Path, **options: Any) -> Any:
        repeated.append(out.name)
        return evaluate(settings, out=out, **options)

    monkeypatch.setattr(study_run, "evaluate", noted)
    assert run(grid(data, networks), out, cache=cache, progress=quiet) == record
    assert repeated == ["shot-2_seed-0", "shot-2_seed-1"]
    assert (out / "study.json").read_bytes() == (first / "study.json").read_bytes()


def test_a_changed_setting_repeats_its_cells_alone(
    data: Path, networks: Path, study: tuple[Path, StudyRecord]
) -> None:
    changed = grid(data, networks, axes={"protocol.shot": [1, 3], "seed": [0, 1]})
    assert [cell.name for cell in plan(changed, study[0]).missing_cells] == ["shot-3_seed-0", "shot-3_seed-1"]
    fewer = grid(data, networks)
    protocol = {"way": 2, "episodes": 20}
    fewer = fewer.model_copy(update={"evaluate": {**fewer.evaluate, "protocol": protocol}})
    assert len(plan(fewer, study[0]).missing_cells) == 4


def test_a_cell_that_fails_is_named(data: Path, networks: Path, tmp_path: Path) -> None:
    with pytest.raises(A2M2Error, match=r"shot-9_seed-0: shot 9 \+ query 1 needs 10 videos a class"):
        run(
            grid(data, networks, axes={"protocol.shot": [9], "seed": [0]}),
            tmp_path / "out",
            cache=tmp_path / "cache",
            progress=quiet,
        )


def test_a_grid_renders_and_trains_what_it_needs(tmp_path: Path) -> None:
    small = {
        "backbone": {"source": "small-cnn"},
        "video": {"num_frames": 4, "resize": 32, "crop": 32},
        "m2": {"stages": ["last"], "reduction": "conv", "components": 4, "hidden": 6, "eps": 1e-4},
        "pretrain": {"batch": 4, "freeze_batch_norm": False},
        "meta": {"steps": 1, "way": 2, "query": 1, "episodes_per_step": 1},
        "validation": {"every": 9, "episodes": 4, "way": 2, "max_clips": 24},
    }
    asked = GridSettings.build(
        {
            "title": "from nothing",
            "clips": {"all": {"stratum": "sets", "clips_per_class": 2, "size": 32, "num_frames": 8}},
            "train": {**small, "data": "{clips.all}", "loader_workers": 0},
            "evaluate": {"data": "{clips.all}", "protocol": {"episodes": 10}},
            "axes": {"train.pretrain.steps": [0, 1]},
        }
    )
    out = tmp_path / "out"
    lines = plan(asked, out).lines()
    assert lines[0] == "2 cells, 2 rows; 2 cells to run"
    assert lines[2] == "trainings: 4, 4 to run"
    record = run(asked, out, cache=tmp_path / "cache", progress=quiet)
    assert len(record.figures) == 2
    assert [one.kind for one in record.differences] == ["level"]
    assert len(list((out / "trained").iterdir())) == 4
    assert json.loads((out / "timings.json").read_text())["in all"] > 0
    assert not plan(asked, out).missing_cells
