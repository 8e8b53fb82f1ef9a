"""The recogniser among the tools of scikit-learn."""

from __future__ import annotations

import pickle
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

TABLES = (
    "gives a table of numbers, which is refused in one line; asked of clips below, or meaningless for them"
)
OWN_ERROR = "wants an error class of scikit-learn; ours is NotEnrolledError, as scikit-learn is not imported"
OWN_WORDS = "wants certain words about tables in the error; ours says what a clip is"
NOT_FOR_CLIPS = {
    "check_classifier_data_not_an_array": TABLES,
    "check_classifiers_classes": TABLES,
    "check_classifiers_one_label": TABLES,
    "check_classifiers_regression_target": OWN_WORDS,
    "check_classifiers_train": OWN_WORDS,
    "check_complex_data": TABLES,
    "check_decision_proba_consistency": TABLES,
    "check_dict_unchanged": TABLES,
    "check_dont_overwrite_parameters": TABLES,
    "check_dtype_object": TABLES,
    "check_estimator_sparse_array": OWN_WORDS,
    "check_estimator_sparse_matrix": OWN_WORDS,
    "check_estimator_sparse_tag": TABLES,
    "check_estimators_dtypes": TABLES,
    "check_estimators_empty_data_messages": OWN_WORDS,
    "check_estimators_fit_returns_self": TABLES,
    "check_estimators_nan_inf": OWN_WORDS,
    "check_estimators_overwrite_params": TABLES,
    "check_estimators_pickle": TABLES,
    "check_estimators_unfitted": OWN_ERROR,
    "check_f_contiguous_array_estimator": TABLES,
    "check_fit1d": TABLES,
    "check_fit2d_1feature": TABLES,
    "check_fit2d_1sample": TABLES,
    "check_fit2d_predict1d": TABLES,
    "check_fit_check_is_fitted": TABLES,
    "check_fit_idempotent": TABLES,
    "check_fit_score_takes_y": TABLES,
    "check_methods_sample_order_invariance": TABLES,
    "check_methods_subset_invariance": TABLES,
    "check_n_features_in": TABLES,
    "check_n_features_in_after_fitting": TABLES,
    "check_pipeline_consistency": TABLES,
    "check_positive_only_tag_during_fit": OWN_WORDS,
    "check_readonly_memmap_input": TABLES,
    "check_requires_y_none": TABLES,
    "check_supervised_y_2d": TABLES,
    "check_supervised_y_no_nan": OWN_WORDS,
}
"""Checks of scikit-learn that a recogniser cannot pass, and why: the rest pass."""


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


def test_what_those_checks_would_ask_of_clips(cache: Path) -> None:
    """Fitting twice, in another order, asking for a part, pickling: on clips instead of tables."""
    clips, labels = squares(seeds=range(1))
    recognizer = small(cache, choose=False)
    before = recognizer.get_params()
    copies = [clip.copy() for clip in clips]
    for clip in clips:
        clip.setflags(write=False)
    assert recognizer.fit(clips, labels) is recognizer
    assert recognizer.get_params() == before
    expected = recognizer.predict_proba(clips)
    state = set(vars(recognizer))
    np.testing.assert_array_equal(recognizer.predict_proba(clips), expected)
    assert set(vars(recognizer)) == state
    assert all(np.array_equal(clip, copy) for clip, copy in zip(clips, copies, strict=True))
    np.testing.assert_array_equal(recognizer.fit(clips, labels).predict_proba(clips), expected)
    np.testing.assert_array_equal(recognizer.predict_proba(clips[::-1]), expected[::-1])
    np.testing.assert_array_equal(recognizer.predict_proba(clips[1:]), expected[1:])
    again = pickle.loads(pickle.dumps(recognizer))
    np.testing.assert_allclose(again.predict_proba(clips), expected, rtol=1e-6)
    fortran = [np.asfortranarray(clip) for clip in clips]
    np.testing.assert_array_equal(recognizer.predict_proba(fortran), expected)
    scores = recognizer.decision_function(clips)
    np.testing.assert_array_equal(scores.argsort(1), expected.argsort(1))
    assert recognizer.predict_proba([]).shape == (0, 3)


def test_clone_and_parameters(cache: Path) -> None:
    fitted = small(cache).fit(*squares())
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "classes_")
    check_is_fitted(fitted)
    assert is_classifier(fitted)
    assert set(fitted.get_params()) == {
        "weights", "backbone", "num_frames", "size", "choose", "cache", "num_threads", "device",
    }  # fmt: skip
    assert fitted.set_params(num_frames=6).num_frames == 6
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
    search = GridSearchCV(small(cache), {"size": [32, 48]}, cv=3).fit(paths, labels)
    assert search.best_params_["size"] in (32, 48)
    chances = cross_val_predict(small(cache), paths, labels, cv=3, method="predict_proba")
    np.testing.assert_allclose(chances.sum(1), 1)


def _below_root(names: list[str]) -> list[str]:
    return [f"/{name}" for name in names]
