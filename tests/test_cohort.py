"""Scores relative to strangers: the formula, the file, the training that writes it and the recogniser that reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from a2m2.data import load_dataset
from a2m2.errors import WeightsError
from a2m2.eval.pair_table import pair_scores
from a2m2.matching import A2Matcher
from a2m2.matching.cohort import NEAREST, baselines, relative
from a2m2.recognize import Recognizer
from a2m2.recognize.confidence import COHORT_DEFAULT, TRAINED_DEFAULT
from a2m2.recognize.encoders import TrainedEncoder
from a2m2.recognize.leave_one_out import left_out_scores
from a2m2.recognize.origin import Origin
from a2m2.spotting.scoring import known_scores
from a2m2.structures import Descriptors
from a2m2.train.clips import ClipSource
from a2m2.train.cohort import SIZE, add_cohort
from a2m2.train.train import train
from a2m2.weights import FILE_NAME, load_network, read_tensors, save_network, write_tensors
from recognize_fixtures import squares
from train_fixtures import tiny_data, tiny_settings


def descriptors(number: int, seed: int) -> Descriptors:
    values = torch.randn(number, 3, 5, generator=torch.Generator().manual_seed(seed))
    return Descriptors(
        values=values,
        spans=torch.zeros(number, 3, 2),
        windows=torch.tensor([[0, 1], [1, 2], [2, 3]]),
        scale=torch.zeros(3, dtype=torch.long),
        energy=torch.rand(number, 3, generator=torch.Generator().manual_seed(seed + 1)),
    )


@pytest.mark.parametrize("size", [1, 4, 25])
def test_a_baseline_is_the_mean_over_the_nearest_strangers(size: int) -> None:
    matcher, clips, cohort = A2Matcher(), descriptors(3, 0), descriptors(size, 5)
    scores = matcher(cohort, torch.arange(size), clips, num_classes=size).logits.detach()
    expected = [sorted(row.tolist(), reverse=True)[:NEAREST] for row in scores]
    found = baselines(matcher, cohort, clips)
    assert found.tolist() == pytest.approx([sum(row) / len(row) for row in expected], rel=1e-6)


def test_half_of_either_baseline_is_subtracted() -> None:
    scores = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    found = relative(scores, np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0]))
    assert found.tolist() == [[-4.5, -8.5], [-3.0, -7.0], [-1.5, -5.5]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    settings = tiny_settings(data, "meta.steps=2", "a2.weights=uniform")
    train(settings, "meta", out / "run", cache=out / "cache", num_threads=1)
    return out / "run"


def test_a_training_ends_with_a_cohort_of_base_clips(data: Path, trained: Path) -> None:
    saved = load_network(trained)
    videos = load_dataset(str(data)).select(["train"]).videos
    assert saved.cohort is not None
    assert len(saved.cohort) == len(videos) <= SIZE
    clips = ClipSource(videos, saved.settings.video)
    with torch.inference_mode():
        expected = saved.network.encode(torch.stack([clips.centre(i) for i in range(len(videos))]) / 255)
    torch.testing.assert_close(saved.cohort.values, expected.values, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(saved.cohort.energy, expected.energy)
    assert torch.equal(saved.cohort.windows, expected.windows)
    assert saved.cohort.blocks == expected.blocks


def test_a_cohort_changes_no_digest_and_is_never_larger_than_it_may(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = load_network(trained)
    bare = tmp_path / FILE_NAME
    assert save_network(bare, saved.network, saved.settings, saved.provenance) == saved.digest
    assert load_network(bare).cohort is None
    videos = load_dataset(str(tiny_data(tmp_path / "data", clips_per_class=7))).videos
    monkeypatch.setattr("a2m2.train.cohort.SIZE", 4)
    add_cohort(bare, ClipSource(videos, saved.settings.video))
    again = load_network(bare)
    assert again.cohort is not None
    assert len(again.cohort) == 4
    assert again.digest == saved.digest
    assert again.provenance == saved.provenance


def test_a_matcher_that_reads_none_gets_none(data: Path, tmp_path: Path) -> None:
    settings = tiny_settings(data, "meta.steps=0", "method=protonet")
    train(settings, "meta", tmp_path / "run", cache=tmp_path / "cache", num_threads=1)
    assert load_network(tmp_path / "run").cohort is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cohort.values": torch.zeros(2, 3, 4)}, "a cohort of shapes"),
        ({"cohort.energy": torch.zeros(9, 5)}, "a cohort of shapes"),
        ({"cohort.energy": torch.full((9, 4), float("nan"))}, "not finite"),
        ({"cohort.more": torch.zeros(1)}, "a cohort of energy, more, values"),
    ],
)
def test_a_cohort_that_does_not_fit_is_refused(
    change: dict[str, torch.Tensor], message: str, trained: Path, tmp_path: Path
) -> None:
    metadata, tensors = read_tensors(trained / FILE_NAME)
    write_tensors(tmp_path / FILE_NAME, tensors | change, metadata)
    with pytest.raises(WeightsError, match=f"{FILE_NAME} cannot be used .*{message}"):
        load_network(tmp_path)


def test_a_recogniser_scores_relative_to_its_cohort(trained: Path, tmp_path: Path) -> None:
    clips, labels = squares()
    recognizer = Recognizer.from_weights(trained, cache=tmp_path, num_threads=1).fit(clips, labels)
    enrolled = recognizer.enrolled_
    saved, matcher = load_network(trained), enrolled.matcher
    cohort = saved.cohort
    assert cohort is not None
    own = baselines(matcher, cohort, enrolled.descriptors)
    queries = enrolled.descriptors[torch.tensor([4, 0])]
    pairs = pair_scores(matcher, enrolled.descriptors, num_threads=1)
    table = relative(pairs, own, own)
    np.testing.assert_allclose(enrolled.support_scores(queries), table[[4, 0]], atol=1e-5)
    found = enrolled.match_described(queries).logits.numpy()
    for column in range(len(enrolled.classes)):
        members = enrolled.labels.numpy() == column
        np.testing.assert_allclose(found[:, column], table[[4, 0]][:, members].mean(1), atol=1e-5)
    contents = [support.digest for support in enrolled.supports]
    expected = left_out_scores(table, enrolled.labels.numpy(), contents, num_classes=len(enrolled.classes))
    np.testing.assert_allclose(enrolled.left_out_scores(num_threads=1), expected, atol=1e-5)
    assert len(known_scores(enrolled, num_threads=1)) == len(clips)
    answers = recognizer.predict_proba(clips)
    recognizer.save(tmp_path / "kept.a2m2")
    np.testing.assert_array_equal(
        Recognizer.load(tmp_path / "kept.a2m2", cache=tmp_path).predict_proba(clips), answers
    )


def test_defaults_are_those_of_what_is_scored(trained: Path, tmp_path: Path) -> None:
    saved = load_network(trained)
    assert TrainedEncoder(saved, Origin("weights", str(trained))).default_confidence is COHORT_DEFAULT
    save_network(tmp_path / FILE_NAME, saved.network, saved.settings, saved.provenance)
    bare = TrainedEncoder(load_network(tmp_path), Origin("weights", str(tmp_path)))
    assert bare.default_confidence is TRAINED_DEFAULT
