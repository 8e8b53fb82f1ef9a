"""The recogniser among the tools of scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted

from a2m2.recognize import Recognizer
from recognize_fixtures import CLASSES, small, squares
from tiny_clips import make_dataset

TABLES = "fits on a table of numbers, which is no list of clips and refused"
NOT_FOR_CLIPS: dict[str, str] = {}
"""Checks of scikit-learn that a recogniser cannot pass, and why."""


class Unlabelled(Recognizer):
    """A recogniser that does not say what it takes: with its own tags scikit-learn would check nothing."""

    def __sklearn_tags__(self) -> object:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    root = make_dataset(tmp_path_factory.mktemp("clips"), splits={"": list(CLASSES)}, clips_per_class=3)
    return sorted(map(str, root.rglob("*.mp4")))


@pytest.mark.filterwarnings("ignore:Estimator Unlabelled does not inherit:UserWarning")
def test_checks_of_scikit_learn() -> None:
    outcomes = check_estimator(Unlabelled(), expected_failed_checks=NOT_FOR_CLIPS, on_fail=None, on_skip=None)
    failed = sorted({outcome["check_name"] for outcome in outcomes if outcome["status"] == "failed"})
    assert failed == []
    excused = {outcome["check_name"] for outcome in outcomes if outcome["status"] == "xfail"}
    assert excused == set(NOT_FOR_CLIPS)


def test_clone_and_parameters(cache: Path) -> None:
    fitted = small(cache).fit(*squares())
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "classes_")
    check_is_fitted(fitted)
    assert is_classifier(fitted)
    assert set(fitted.get_params()) == {
        "weights", "backbone", "num_frames", "size", "choose", "cache", "num_threads",
    }  # fmt: skip
    assert fitted.set_params(num_frames=4).num_frames == 4
    with pytest.raises(ValueError, match="no parameter 'frames' of Recognizer; known are weights, backbone"):
        fitted.set_params(frames=4)
    assert repr(Recognizer(size=48)) == "Recognizer(size=48)"


@pytest.mark.parametrize("form", ["paths", "arrays", "tensor", "array"])
def test_cross_validation_on_every_form_of_clips(form: str, cache: Path, paths: list[str]) -> None:
    clips, labels = squares()
    forms = {
        "paths": paths,
        "arrays": clips,
        "tensor": torch.from_numpy(np.stack(clips)),
        "array": np.stack(clips),
    }
    scores = cross_val_score(small(cache), forms[form], labels, cv=3)
    assert scores.tolist() == [1.0, 1.0, 1.0]


def test_pipelines_searches_and_probabilities(cache: Path, paths: list[str]) -> None:
    labels = [path.split("/")[-2] for path in paths]
    names = [path.split("/", 1)[1] for path in paths]
    pipeline = Pipeline([("root", FunctionTransformer(_below_root)), ("recognise", small(cache))])
    assert pipeline.fit(names, labels).score(names, labels) == 1
    assert pipeline.predict_proba(names).shape == (9, 3)
    search = GridSearchCV(small(cache), {"num_frames": [4, 8]}, cv=3).fit(paths, labels)
    assert search.best_params_["num_frames"] in (4, 8)
    chances = cross_val_predict(small(cache), paths, labels, cv=3, method="predict_proba")
    np.testing.assert_allclose(chances.sum(1), 1)


def _below_root(names: list[str]) -> list[str]:
    return [f"/{name}" for name in names]
