"""The recogniser: the method's own scores, adding and removing as fitting anew, refusals, what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from a2m2.errors import (
    ConfigError,
    DataError,
    DecodeError,
    NotEnrolledError,
    OutputError,
    UndecodableError,
    WeightsError,
)
from a2m2.matching import A2Matcher
from a2m2.networks import build_network
from a2m2.nn import Encoder, M2Block, fit_reduction, load_backbone
from a2m2.recognition_records import RecognitionRecord, read_recognition
from a2m2.recognize import UNKNOWN, Recognition, Recognizer
from a2m2.recognize import supports as supports_module
from a2m2.recognize.clips import sample_clip
from a2m2.records import read_evidence
from a2m2.video import prepare, read_clip, sample_index, write_clip
from a2m2.weights import save_network
from recognize_fixtures import CLASSES, small, squares
from tiny_backbones import save_tiny
from tiny_clips import make_dataset, moving_square
from train_fixtures import shake, tiny_settings


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def fitted(cache: Path) -> Recognizer:
    return small(cache).fit(*squares())


@pytest.fixture(scope="module")
def queries() -> list[np.ndarray]:
    return squares(seeds=range(10, 12))[0]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with everything moved away from its start."""
    path = tmp_path_factory.mktemp("network") / "weights.safetensors"
    settings = tiny_settings("nowhere", "a2.learn_temperature=true").network()
    save_network(path, shake(build_network(settings)), settings, {"trained": "by nobody"})
    return path


def test_scores_are_those_of_the_method_in_the_open(cache: Path, queries: list[np.ndarray]) -> None:
    """Frames, maps, principal components, descriptors, exact transport: every step once more by hand."""
    clips, labels = squares()
    recognizer = small(cache, choose=False).fit(clips, labels)
    backbone = load_backbone("motion-filters", stages=("mid",))
    index = sample_index(16, 4, policy="segment_center")

    def maps(clip: np.ndarray) -> torch.Tensor:
        frames = prepare(torch.from_numpy(clip)[index], resize=48, crop=48)
        return backbone(frames[None])[0].half().float()

    supports = [maps(clip) for clip in clips]
    block = M2Block(
        fit_reduction(supports, num_components=15, shrinkage=1 / (1 + len(clips))), calibration="difference"
    )
    encoder = Encoder(backbone, [block])
    pts, duration = (index.double() / 25)[None], torch.tensor([16 / 25])
    raw = torch.cat([encoder.describe((some,), pts, duration).values for some in supports])
    encoder.set_mean(raw.mean((0, 1)))

    def describe(some: list[torch.Tensor]) -> object:
        return encoder.describe((torch.cat(some),), pts.expand(len(some), -1), duration.expand(len(some)))

    with torch.inference_mode():
        expected = A2Matcher(weights="uniform")(
            describe(supports),
            torch.tensor([CLASSES.index(label) for label in labels]),
            describe([maps(clip) for clip in queries]),
            num_classes=3,
        ).logits
    np.testing.assert_allclose(recognizer.decision_function(queries), expected, rtol=1e-4, atol=1e-4)
    assert recognizer.predict(queries).tolist() == [CLASSES[way] for way in expected.argmax(1)]


def test_it_recognises_and_says_how_sure_it_is(fitted: Recognizer, queries: list[np.ndarray]) -> None:
    assert fitted.classes_.tolist() == list(CLASSES)
    assert fitted.predict(queries).tolist() == [name for name in CLASSES for _ in range(2)]
    assert fitted.score(queries, [name for name in CLASSES for _ in range(2)]) == 1
    chances = fitted.predict_proba(queries)
    np.testing.assert_allclose(chances.sum(1), 1)
    np.testing.assert_array_equal(chances.argmax(1), fitted.decision_function(queries).argmax(1))
    assert fitted.report_.accuracy == 1
    assert fitted.report_.calibrated
    assert fitted.report_.settings_tried == 2


def test_an_action_that_was_never_enrolled_is_unknown(fitted: Recognizer, queries: list[np.ndarray]) -> None:
    strangers = [moving_square("still", seed) for seed in range(3)]
    assert fitted.predict(strangers, reject_unknown=True).tolist() == [UNKNOWN] * 3
    known = fitted.predict(queries, reject_unknown=True)
    assert known.dtype == object
    assert (known == fitted.predict(queries)).mean() >= 0.8
    (answer,) = fitted.recognize(strangers[:1])
    assert isinstance(answer, Recognition)
    assert (answer.label, answer.refused, answer.clip) == (UNKNOWN, True, "clip 1")
    (named,) = fitted.recognize(strangers[:1], reject_unknown=False)
    assert isinstance(named, Recognition)
    assert named.label == named.ranked[0].label


def test_paths_frames_and_tensors_are_one(cache: Path, tmp_path: Path, fitted: Recognizer) -> None:
    write_clip(tmp_path / "a" / "clip.mp4", moving_square("left", 5), fps=25)
    whole = read_clip(tmp_path / "a" / "clip.mp4", num_frames=16).frames
    forms = [whole, whole.numpy(), whole.float() / 255, (whole.double() / 255).numpy()]
    expected = fitted.decision_function([tmp_path / "a" / "clip.mp4"])
    for form in forms:
        np.testing.assert_allclose(fitted.decision_function([form]), expected, rtol=1e-5)
    mirrored = whole.numpy()[:, :, :, ::-1]
    np.testing.assert_array_equal(
        fitted.decision_function([mirrored]), fitted.decision_function([mirrored.copy()])
    )
    np.testing.assert_allclose(fitted.decision_function(torch.stack([whole, whole]))[1:], expected, rtol=1e-5)
    (answer,) = fitted.recognize([tmp_path / "a" / "clip.mp4"])
    assert isinstance(answer, Recognition)
    assert answer.clip == "a/clip.mp4"


def test_rearranging_is_adding_and_removing_without_a_new_fit(
    cache: Path, tmp_path: Path, queries: list[np.ndarray]
) -> None:
    clips, labels = squares()
    first, more = make_fitted(cache, clips, labels), [moving_square("up", 1), moving_square("up", 2)]
    other = make_fitted(cache, clips, labels)
    names = ["up/1.mp4", "up/2.mp4"]
    kept = ["fall" if label == "down" else None if label == "left" else label for label in labels]
    first.rearrange(kept, more, ["up", "up"], names=names)
    other.remove("left", refit=False).add(more, "up", refit=False)
    assert first.classes_.tolist() == ["fall", "right", "up"]
    assert [support.name for support in first.enrolled_.supports][-2:] == names
    np.testing.assert_allclose(
        first.predict_proba(queries), other.predict_proba(queries)[:, [0, 1, 2]], rtol=1e-6
    )
    # With none of the earlier clips left there is nothing to be true to: the fit is new.
    first.cache = tmp_path
    first.rearrange([None] * 8, clips, labels)
    whole = make_fitted(cache, clips, labels)
    np.testing.assert_allclose(first.predict_proba(queries), whole.predict_proba(queries), rtol=1e-5)


def make_fitted(cache: Path, clips: list[np.ndarray], labels: list[str]) -> Recognizer:
    return small(cache).fit(clips, labels)


def test_what_cannot_be_rearranged(fitted: Recognizer) -> None:
    with pytest.raises(DataError, match="a label for each of the 9 enrolled clips, got 1; match them"):
        fitted.rearrange(["left"])
    with pytest.raises(DataError, match="expected at least one clip to enrol, got none"):
        fitted.rearrange([None] * 9)
    with pytest.raises(DataError, match="got 0 clips and 1 labels"):
        fitted.rearrange(["left"] * 9, (), ["left"])
    assert fitted.classes_.tolist() == list(CLASSES)


@pytest.mark.parametrize("kind", ["backbone", "weights"])
def test_adding_and_removing_is_fitting_anew(
    kind: str, cache: Path, weights: Path, queries: list[np.ndarray]
) -> None:
    def make() -> Recognizer:
        return small(cache) if kind == "backbone" else small(cache, weights=str(weights), backbone=None)

    clips, labels = squares()
    whole = make().fit(clips, labels)
    grown = make().fit(clips[:6], labels[:6]).add(clips[6:8], "right").add(clips[8:], "right")
    shrunk = make().fit(*squares((*CLASSES, "up"))).remove("up")
    for other in (grown, shrunk):
        np.testing.assert_allclose(other.predict_proba(queries), whole.predict_proba(queries), rtol=1e-5)
        assert other.report_.classes == whole.report_.classes
        assert other.report_.calibration_error == pytest.approx(whole.report_.calibration_error, rel=1e-4)


def test_without_refit_the_reduction_stays(cache: Path, queries: list[np.ndarray]) -> None:
    clips, labels = squares()
    recognizer = small(cache).fit(clips[:6], labels[:6])
    fit = recognizer.enrolled_.encoder.fit
    recognizer.add(clips[6:], "right", refit=False)
    assert recognizer.enrolled_.encoder.fit is fit
    assert recognizer.predict(queries).tolist() == [name for name in CLASSES for _ in range(2)]
    recognizer.remove("left", refit=False)
    assert recognizer.enrolled_.encoder.fit is fit
    assert recognizer.classes_.tolist() == ["down", "right"]


def test_a_refit_without_the_features_is_refused(tmp_path: Path) -> None:
    clips, labels = squares()
    recognizer = small(tmp_path / "one").fit(clips, labels)
    recognizer.set_params(cache=tmp_path / "other")
    with pytest.raises(
        DataError, match=r"features of 9 enrolled clips, such as clip 1, are not in .*other; fit on"
    ):
        recognizer.add([moving_square("up", 1)], "up")
    with pytest.raises(DataError, match="refit=False"):
        recognizer.remove("left")


def test_one_clip_a_class(cache: Path, queries: list[np.ndarray]) -> None:
    recognizer = small(cache).fit(*squares(seeds=range(1)))
    assert recognizer.report_.accuracy is None
    assert not recognizer.report_.calibrated
    assert recognizer.predict(queries).shape == (6,)
    assert set(recognizer.predict(queries, reject_unknown=True)) <= {*CLASSES, UNKNOWN}


def test_names_are_one_a_clip(cache: Path) -> None:
    with pytest.raises(DataError, match="expected one name a clip, got 9 clips and 1 names; match them"):
        small(cache).fit(*squares(), names=["first"])


def test_one_class(cache: Path) -> None:
    recognizer = small(cache).fit(*squares(("left",)))
    assert recognizer.predict([moving_square("left", 9)]).tolist() == ["left"]
    np.testing.assert_array_equal(recognizer.predict_proba([moving_square("left", 9)]), [[1.0]])
    with pytest.raises(DataError, match="'left' is the only enrolled class"):
        recognizer.remove("left")


def test_whole_numbers_are_labels_too(cache: Path, queries: list[np.ndarray]) -> None:
    clips, labels = squares()
    numbers = np.array([CLASSES.index(label) for label in labels])
    recognizer = small(cache).fit(clips, numbers)
    answers = recognizer.predict(queries)
    assert answers.dtype.kind == "i"
    assert answers.tolist() == [0, 0, 1, 1, 2, 2]
    assert set(recognizer.predict(queries, reject_unknown=True)) <= {0, 1, 2, UNKNOWN}


def test_two_classes_follow_the_convention_of_decision_functions(
    cache: Path, queries: list[np.ndarray]
) -> None:
    recognizer = small(cache).fit(*squares(("left", "right")))
    lead = recognizer.decision_function(queries)
    assert lead.shape == (6,)
    assert ((lead > 0) == (recognizer.predict(queries) == "right")).all()


def test_clips_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_dataset(tmp_path / "clips", splits={"": ["left", "right"]}, clips_per_class=2)
    paths = sorted(root.rglob("*.mp4"))
    read = []
    sample = supports_module.sample_clip

    def counted(clip: str, video: object) -> object:
        read.append(clip)
        return sample(clip, video)

    monkeypatch.setattr(supports_module, "sample_clip", counted)
    labels = [path.parent.name for path in paths]
    first = small(tmp_path / "cache").fit(paths, labels)
    again = small(tmp_path / "cache", choose=False).fit(paths, labels)
    assert read == [str(path) for path in paths]
    assert [clip.name for clip in first.enrolled_.supports] == [
        f"{label}/{path.name}" for label, path in zip(labels, paths, strict=True)
    ]
    assert first.enrolled_.supports == again.enrolled_.supports


def test_copies_are_left_out_together(cache: Path) -> None:
    clips, labels = squares()
    recognizer = small(cache).fit([*clips, clips[0]], [*labels, "down"])
    assert recognizer.report_.copies == (("clip 1", "clip 10"),)


# --- other encoders ---


def test_a_trained_network_scores_as_it_was_trained(
    cache: Path, weights: Path, queries: list[np.ndarray]
) -> None:
    from a2m2.weights import load_network

    clips, labels = squares()
    recognizer = Recognizer.from_weights(weights, cache=cache).set_params(choose=False).fit(clips, labels)
    network = load_network(weights).network
    index = sample_index(16, 4, policy="segment_center")

    def frames(some: list[np.ndarray]) -> torch.Tensor:
        return torch.stack([prepare(torch.from_numpy(clip)[index], resize=32, crop=32) for clip in some])

    with torch.inference_mode():
        ways = torch.tensor([CLASSES.index(label) for label in labels])
        expected = network(frames(clips), ways, frames(queries), num_classes=3).logits
    np.testing.assert_allclose(recognizer.decision_function(queries), expected, rtol=1e-4, atol=1e-5)


def test_two_stages_of_a_backbone_are_tried(tmp_path: Path, queries: list[np.ndarray]) -> None:
    folder = save_tiny("resnet", tmp_path / "backbone")
    recognizer = small(tmp_path / "cache", backbone=str(folder), size=64).fit(*squares())
    assert recognizer.report_.settings_tried == 4
    assert recognizer.report_.setting.startswith("stage mid")
    assert recognizer.predict(queries).shape == (6,)
    few = small(tmp_path / "cache", backbone=str(folder), size=64).fit(*squares(seeds=range(2)))
    assert few.report_.settings_tried == 1
    assert few.report_.setting == "stage mid and last, no order prior"


def test_networks_and_backbones_that_cannot_be_used(tmp_path: Path) -> None:
    settings = tiny_settings("nowhere", "method=diagonal").network()
    save_network(tmp_path / "diagonal.safetensors", build_network(settings), settings, {})
    with pytest.raises(ConfigError, match=r"diagonal.safetensors was trained with the matcher of diagonal"):
        Recognizer.from_weights(tmp_path / "diagonal.safetensors")
    with pytest.raises(WeightsError, match="no weights"):
        Recognizer.from_weights(tmp_path / "none.safetensors")
    with pytest.raises(WeightsError, match="no backbone fish; expected a folder"):
        Recognizer.from_backbone("fish")
    with pytest.raises(WeightsError, match=r"got both \(a and b\); name one"):
        Recognizer(weights="a", backbone="b").fit(*squares())


# --- explanations ---


def test_an_explanation_holds_the_plan_and_can_be_written(
    fitted: Recognizer, queries: list[np.ndarray], tmp_path: Path
) -> None:
    explanation = fitted.explain(queries[0], name="mine", number=2)
    evidence = explanation.evidence
    (answer,) = fitted.recognize(queries[:1], names=["mine"])
    assert explanation.recognition == answer
    assert (evidence.query.video, evidence.query.class_name) == ("mine", "")
    assert evidence.support.class_name == "down"
    plan, similarity = np.array(evidence.plan), np.array(evidence.similarity)
    np.testing.assert_allclose([plan.sum(1), plan.sum(0)], 1 / 7, atol=1e-5)
    enrolled = fitted.enrolled_
    (_, match), members = enrolled.match([sample_clip(queries[0], enrolled.encoder.video)]), range(3)
    agreement = (match.evidence.plan[0] * match.evidence.similarity[0]).sum((-1, -2))
    assert evidence.support.video == f"clip {1 + max(members, key=lambda row: float(agreement[row]))}"
    assert 0 < (plan * similarity).sum() <= 1
    assert len(evidence.query.frame_seconds) == len(evidence.query.thumbnails) == 4
    assert evidence.query.spans[0][0] == 0
    assert evidence.query.duration_seconds == pytest.approx(16 / 25)
    for _ in range(2):  # an earlier folder of the kind is replaced
        fitted.write_explanations(tmp_path / "why", [explanation])
    assert read_evidence(tmp_path / "why") == [evidence]
    record = read_recognition(tmp_path / "why")
    assert record == RecognitionRecord(CLASSES, 9, calibrated=True, answers=(answer,))
    for name in (*evidence.query.thumbnails, *evidence.support.thumbnails):
        assert (tmp_path / "why" / "evidence" / name).read_bytes()[:2] == b"\xff\xd8"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").touch()
    with pytest.raises(OutputError, match=r"holds files but no recognition\.json"):
        fitted.write_explanations(tmp_path / "mine", [explanation])


# --- what is refused ---


def test_an_empty_recogniser_says_so() -> None:
    recognizer = Recognizer()
    assert not hasattr(recognizer, "classes_")
    for ask in (recognizer.predict, recognizer.predict_proba, recognizer.decision_function):
        with pytest.raises(
            NotEnrolledError, match=r"nothing is enrolled yet; call fit\(clips, labels\) first"
        ):
            ask([])
    with pytest.raises(NotEnrolledError, match="nothing is enrolled yet"):
        recognizer.save("nowhere")


@pytest.mark.parametrize(
    ("clips", "labels", "expected"),
    [
        ("a.mp4", ["a"], r"expected a list of clips, got the one path a.mp4; put it into a list"),
        (
            np.zeros((4, 2)),
            [0] * 4,
            r"array \(clip, time, 3, height, width\), got an array of shape \(4, 2\)",
        ),
        (
            [np.zeros((4, 8, 8, 3), np.uint8)],
            ["a"],
            r"clip 1 as frames .*, got shape \(4, 8, 8, 3\); put the col",
        ),
        (
            [np.full((4, 3, 8, 8), 200.0)],
            ["a"],
            r"the floats of clip 1 from 0 to 1, got 200 to 200; scale them",
        ),
        (
            [torch.zeros(4, 3, 8, 8, dtype=torch.int64)],
            ["a"],
            "uint8 frames or floats from 0 to 1, got int64",
        ),
        ([np.full((4, 3, 8, 8), None)], ["a"], "uint8 frames or floats from 0 to 1, got object"),
        ([7], ["a"], "clip 1 to be a path or frames .*, got int"),
        (7, ["a"], "expected a list of clips, got int"),
        ([], [], "at least one clip to enrol, got none"),
        (["a.mp4", "b.mp4"], ["a"], "one label a clip, got 2 clips and 1 labels"),
        (["a.mp4", "b.mp4"], ["a", 1], "all text or all whole numbers, got int, str"),
        (["a.mp4"], [None], "all text or all whole numbers, got NoneType"),
        (["a.mp4"], ["unknown"], "a class cannot be called 'unknown'"),
    ],
)
def test_clips_and_labels_that_cannot_be_used(
    clips: object, labels: list[object], expected: str, cache: Path
) -> None:
    with pytest.raises(DataError, match=expected):
        small(cache).fit(clips, labels)


def test_labels_of_another_kind_cannot_be_added(fitted: Recognizer) -> None:
    with pytest.raises(DataError, match="all text or all whole numbers, got int, str"):
        fitted.add([moving_square("up", 1)], 3)
    with pytest.raises(DataError, match="no class 'up' is enrolled, only down, left, right"):
        fitted.remove("up")
    assert fitted.classes_.tolist() == list(CLASSES)


def test_broken_clips_are_named_together(tmp_path: Path, cache: Path, fitted: Recognizer) -> None:
    (tmp_path / "text.mp4").write_text("hello\n")
    (tmp_path / "empty.mp4").touch()
    write_clip(tmp_path / "good.mp4", moving_square("left", 5))
    paths = [tmp_path / name for name in ("text.mp4", "good.mp4", "empty.mp4")]
    for call in (lambda: small(cache).fit(paths, ["a", "b", "c"]), lambda: fitted.predict(paths)):
        with pytest.raises(
            UndecodableError, match=r"2 videos cannot be decoded: .*text.mp4.*empty.mp4"
        ) as stop:
            call()
        assert [error.path for error in stop.value.errors] == [paths[0], paths[2]]
    first, second, third = fitted.recognize(paths)
    assert isinstance(first, DecodeError)
    assert isinstance(second, Recognition)
    assert isinstance(third, DecodeError)
    with pytest.raises(DecodeError, match=r"text.mp4"):
        fitted.explain(paths[0])


def test_importing_the_room_is_light() -> None:
    code = (
        "import sys; from a2m2.recognize import UNKNOWN, LeaveOneOut\n"
        "heavy = {'torch', 'sklearn', 'transformers', 'av'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
