"""Names, recipes, lists and costs of reproductions; nothing is trained here."""

from __future__ import annotations

import re
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from a2m2.config import load, shipped
from a2m2.data.lists import PUBLISHED, Benchmark, find_benchmark
from a2m2.errors import ConfigError, DataError
from a2m2.nn import load_backbone
from a2m2.reproduce.cost import GPU_FLOPS, backbone_cost, cost_of_test, cost_of_training, descriptor_numbers
from a2m2.reproduce.literature import published_accuracies
from a2m2.reproduce.plan import SHOTS, plan_reproduction
from a2m2.train_settings import Stage, TrainSettings
from list_fixtures import write_lists
from reference.reproduce import forward_passes, numbers_of_a_clip

BENCHMARKS: tuple[Benchmark, ...] = get_args(Benchmark)


@pytest.mark.parametrize(
    ("name", "benchmark"),
    [
        ("ucf-101", "ucf-101"),
        ("ucf101", "ucf-101"),
        ("UCF101", "ucf-101"),
        ("hmdb51", "hmdb-51"),
        ("kinetics100", "kinetics-100"),
        ("ssv2_full", "ssv2-full"),
        ("SSv2 small", "ssv2-small"),
    ],
)
def test_names_of_benchmarks(name: str, benchmark: str) -> None:
    assert find_benchmark(name) == benchmark


@pytest.mark.parametrize(
    ("name", "nearest"), [("ucf", "ucf-101"), ("ssv2-ful", "ssv2-full"), ("kinetics", "kinetics-100")]
)
def test_a_wrong_name_names_the_nearest(name: str, nearest: str) -> None:
    message = f"no benchmark '{name}'; did you mean {nearest}\\? Known are ssv2-full, ssv2-small"
    with pytest.raises(DataError, match=message):
        find_benchmark(name)


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_every_benchmark_has_a_recipe_whose_values_are_labelled(benchmark: str) -> None:
    text = shipped()[benchmark].read_text(encoding="utf-8")
    for line in text.splitlines():
        section = re.fullmatch(r"\s*\w+:", line.partition("#")[0].rstrip())
        if line.startswith("#") or section:
            continue
        assert re.search(r"# .*\b(KNOWN|INFERRED|CHOICE)\b", line), line
    recipe = load(TrainSettings, Path(benchmark), data="clips")
    assert recipe.pretrain.freeze_batch_norm
    assert recipe.augment.flip is not benchmark.startswith("ssv2")
    assert recipe.pretrain.dropout == (0.8 if benchmark in ("ssv2-small", "ucf-101", "hmdb-51") else 0.5)
    assert (recipe.meta.way, recipe.meta.query, recipe.validation.way) == (5, 5, 5)
    # The shots are those of the test: a recipe does not say them.
    assert "shot" not in recipe.meta.model_fields_set | recipe.validation.model_fields_set


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_epochs_are_those_that_the_recipe_says(benchmark: Benchmark) -> None:
    text = shipped()[benchmark].read_text(encoding="utf-8")
    said = re.search(r"CHOICE: (\d+) epochs of ([\d,]+) clips", text)
    assert said is not None
    epochs, clips = int(said[1]), int(said[2].replace(",", ""))
    recipe = load(TrainSettings, Path(benchmark), data="clips").pretrain
    assert recipe.steps * recipe.batch == pytest.approx(epochs * clips, rel=0.01)
    assert recipe.optimizer.warmup_steps * recipe.batch == pytest.approx(clips, rel=0.02)


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_published_figures(benchmark: Benchmark) -> None:
    methods = published_accuracies(benchmark)
    assert len({one.method for one in methods}) == len(methods) >= 6
    for one in methods:
        assert set(one.accuracy) <= {1, 3, 5}
        # More shots never hurt in any of these tables.
        assert sorted(one.accuracy.values()) == [one.accuracy[shot] for shot in sorted(one.accuracy)]


def plan(tmp_path: Path, benchmark: Benchmark = "ucf-101", **changes: Any) -> Any:
    """A reproduction of lists of one line a split."""
    write_lists(tmp_path / "lists", train=["A/v_A_g01_c01"], val=["B/v_B_g01_c01"], test=["C/v_C_g01_c01"])
    options = {"lists": [tmp_path / "lists"], "out": tmp_path / "out", **changes}
    return plan_reproduction(benchmark, tmp_path / "videos", **options)


def test_each_test_has_a_training_of_its_shots(tmp_path: Path) -> None:
    job = plan(tmp_path, shots=[5, 1, 5], episodes=77)
    assert job.shots == (1, 5)
    for shot in job.shots:
        training, test = job.training(shot), job.test(shot)
        assert (training.meta.shot, training.validation.shot) == (shot, shot)
        assert training.stage("pretrain")["pretrain"] == job.recipe.stage("pretrain")["pretrain"]
        assert test.protocol.model_dump() == {"way": 5, "shot": shot, "query": 1, "episodes": 77, "seed": 0}
        assert test.split == ("test",)
        assert test.weights == (str(job.trained(shot)),)
        assert training.data == test.data == str(tmp_path / "out" / "manifest.csv")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "meta.shot=3",
            "a reproduction sets meta.shot itself, the shots are those of the test, --shot; leave it out",
        ),
        (
            "data=x",
            "--set data=x: a reproduction sets data itself, it is the manifest that is made of --lists",
        ),
        ("meta.shto=3", "did you mean 'meta.shot'?"),
    ],
)
def test_settings_that_a_reproduction_makes(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        plan(tmp_path, overrides=[override])


def test_a_missing_split_is_named(tmp_path: Path) -> None:
    write_lists(tmp_path / "some", train=["A/v_A_g01_c01"])
    with pytest.raises(
        DataError, match="expected lists of train, val and test, got none of val and test; give"
    ):
        plan(tmp_path, lists=[tmp_path / "some"])


def test_lists_of_another_benchmark_are_refused(tmp_path: Path) -> None:
    lines = {
        split: [f"{split}/{split}_f_cm_np1_fr_med_{k}" for k in range(1200)]
        for split in ("train", "val", "test")
    }
    write_lists(tmp_path / "hmdb", **lines)
    message = (
        "the lists are those of hmdb-51 by their ids and counts, not of ucf-101; give the lists of ucf-101"
    )
    with pytest.raises(DataError, match=message):
        plan(tmp_path, lists=[tmp_path / "hmdb"])


COUNTED = {
    "random:resnet50": (1, 224),
    "random:clip-vit-b16": (2, 224),
    "random:videomae-b": (2, 224),
    "small-cnn": (2, 48),
}


@pytest.mark.parametrize("source", COUNTED)
@pytest.mark.slow
def test_costs_of_backbones_are_those_counted_on_their_layers(source: str) -> None:
    stride, side = COUNTED[source]
    settings = load(
        TrainSettings, overrides=[f"backbone.source={source}", f"backbone.last_stride={stride}"], data="clips"
    )
    cost = backbone_cost(settings)
    assert cost is not None
    backbone = load_backbone(source, stages=("last",), last_stride=settings.backbone.last_stride)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        backbone(torch.rand(1, 8, 3, side, side))
    assert counter.get_total_flops() / (2 * 8 * 1e9) == pytest.approx(cost.gmac, rel=0.002)
    assert sum(parameter.numel() for parameter in backbone.parameters()) == cost.parameters


@pytest.mark.parametrize("stage", ["pretrain", "meta"])
@pytest.mark.parametrize("checkpoint", [True, False])
def test_cost_of_a_training_is_that_of_its_clips(stage: Stage, checkpoint: bool) -> None:
    overrides = [
        "pretrain.steps=70",
        "pretrain.accumulate=2",
        "meta.steps=45",
        "meta.shot=3",
        "validation.every=20",
        f"checkpoint_backbone={checkpoint}",
    ]
    settings = load(TrainSettings, Path("hmdb-51"), overrides, data="clips")
    cost = cost_of_training(settings, stage, validation_clips=600)
    backbone = backbone_cost(settings)
    assert backbone is not None
    assert cost.gpu_hours is not None
    operations = 2e9 * backbone.gmac * settings.video.num_frames * forward_passes(settings, stage, 600)
    assert cost.gpu_hours == pytest.approx(operations / GPU_FLOPS / 3600)
    # Best weights, last weights and momentum, in float32.
    assert cost.disk_bytes == 3 * 4 * backbone.parameters


def test_disk_of_descriptors() -> None:
    settings = load(TrainSettings, Path("ucf-101"), data="clips")
    wanted = numbers_of_a_clip(128, 8, ((1, 1), (2, 2), (4, 4)))
    assert descriptor_numbers(settings) == wanted == 14 * 8256
    assert cost_of_test(settings, clips=10).disk_bytes == 4 * 10 * wanted


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_the_guide_says_what_a_recipe_costs(benchmark: Benchmark) -> None:
    guide = (Path(__file__).parent.parent / "docs" / "reproduce.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| `{benchmark}` \| (\d+) \| ([\d.]+) \| (\d+) \|$", guide, re.MULTILINE)
    assert row is not None
    counts = PUBLISHED[benchmark].counts
    recipe = load(TrainSettings, Path(benchmark), data="clips")
    costs = [cost_of_training(recipe, "pretrain", validation_clips=counts["val"].videos)]
    for shot in SHOTS:
        meta = load(TrainSettings, Path(benchmark), [f"meta.shot={shot}"], data="clips")
        costs.append(cost_of_training(meta, "meta", validation_clips=counts["val"].videos))
        costs.append(cost_of_test(meta, clips=counts["test"].videos))
    gpu, cpu, size = (sum(column) for column in zip(*(astuple(cost) for cost in costs), strict=True))
    assert (f"{gpu:.0f}", f"{cpu:.1f}", f"{size / 1e9:.0f}") == row.groups()


def test_an_unknown_backbone_has_no_estimate() -> None:
    settings = load(TrainSettings, Path("ucf-101"), ["backbone.source=some/folder"], data="clips")
    cost = cost_of_training(settings, "meta", validation_clips=10)
    assert (cost.gpu_hours, cost.disk_bytes) == (None, None)
    assert cost_of_test(settings, clips=10).cpu_hours is None


def test_places_are_below_one_folder(tmp_path: Path) -> None:
    job = plan(tmp_path)
    places = [job.findings, job.manifest, job.pretrained, job.trained(1), job.tested(1), job.tested(5)]
    assert len(set(places)) == len(places)
    assert {place.parent for place in places} == {tmp_path / "out"}
    assert replace(job, out=tmp_path / "other").tested(3) == tmp_path / "other" / "tested_3_shot"
