"""The recogniser: a few labelled clips in, the action of any other clip out.

It behaves as a classifier of scikit-learn without importing it: ``clone``, ``cross_val_score``, ``Pipeline`` and grid
searches work on lists of paths and on arrays and tensors of frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from a2m2.data import default_cache
from a2m2.devices import DeviceName, find_device
from a2m2.errors import DataError, DecodeError, NotEnrolledError, undecodable
from a2m2.eval.maps import Progress
from a2m2.eval.threads import map_in_threads
from a2m2.recognition_records import UNKNOWN, Label, Recognition
from a2m2.recognize.clips import ClipLike, as_clips, clip_name, sample_clip
from a2m2.recognize.enrolled import Enrolled
from a2m2.recognize.enrolment import Workplace, add_clips, enrol_clips, rearrange_clips, remove_class
from a2m2.recognize.estimator import Estimator
from a2m2.recognize.explanation import Explanation, explain, write_explanations
from a2m2.recognize.file import load_enrolled, save_enrolled
from a2m2.recognize.labels import label_array, plain_labels
from a2m2.recognize.origin import check_origin
from a2m2.recognize.report import LeaveOneOut
from a2m2.recognize.sources import Source, open_source

Clips = Sequence[ClipLike] | NDArray[Any] | torch.Tensor


class Recognizer(Estimator):
    """Recognises actions from a few labelled clips of each.

    A clip is the path of a video or of a folder of frames, or all its frames ``(time, 3, height, width)``: uint8, or
    floats in [0, 1]. Labels are strings or integers.

    Args:
        weights: a trained network to see with: a training folder, a weights file, or the name of a shipped one.
        backbone: instead of it, a frozen one, see :func:`a2m2.nn.load_backbone`; a reduction is fitted on the supports.
        num_frames: frames sampled from each clip; those of its training where a network is given.
        size: short side and crop in pixels; those of its training where a network is given.
        choose: choose settings by leaving one out, given three clips a class.
        cache: folder for features of the supports; :func:`a2m2.data.default_cache` when None.
        num_threads: clips worked on at the same time; results do not depend on it.
        device: where clips are encoded: ``cpu``, ``cuda``, or ``auto``, which takes a GPU if there is one. What is
            saved does not tell.

    Attributes:
        classes_: the enrolled classes, sorted.
        report_: what leaving every enrolled clip out once has shown.

    Example::

        recognizer = Recognizer()
        recognizer.fit(["jump/1.mp4", "jump/2.mp4", "wave/1.mp4", "wave/2.mp4"], ["jump", "jump", "wave", "wave"])
        recognizer.predict(["new.mp4"], reject_unknown=True)
    """

    def __init__(
        self,
        *,
        weights: str | None = None,
        backbone: str | None = None,
        num_frames: int = 8,
        size: int = 224,
        choose: bool = True,
        cache: str | Path | None = None,
        num_threads: int = 2,
        device: DeviceName = "auto",
    ) -> None:
        self.weights = weights
        self.backbone = backbone
        self.num_frames = num_frames
        self.size = size
        self.choose = choose
        self.cache = cache
        self.num_threads = num_threads
        self.device: DeviceName = device

    # --- making one ---

    @classmethod
    def from_weights(
        cls,
        weights: str | Path,
        *,
        cache: str | Path | None = None,
        num_threads: int = 2,
        device: DeviceName = "auto",
    ) -> Recognizer:
        """One that sees with a trained network: a training folder, a weights file, or the name of a shipped one.

        Raises:
            WeightsError: there is none.
            ConfigError: it was trained with another matcher than A².
        """
        made = cls(weights=str(weights), cache=cache, num_threads=num_threads, device=device)
        made._source()
        return made

    @classmethod
    def from_backbone(
        cls,
        backbone: str | Path,
        *,
        num_frames: int = 8,
        size: int = 224,
        choose: bool = True,
        cache: str | Path | None = None,
        num_threads: int = 2,
        device: DeviceName = "auto",
    ) -> Recognizer:
        """One that needs no training: a hub name, a folder of ``transformers``, or ``motion-filters``.

        Raises:
            WeightsError: there is no such backbone.
        """
        made = cls(
            backbone=str(backbone),
            num_frames=num_frames,
            size=size,
            choose=choose,
            cache=cache,
            num_threads=num_threads,
            device=device,
        )
        made._source()
        return made

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        cache: str | Path | None = None,
        num_threads: int = 2,
        device: DeviceName = "auto",
    ) -> Recognizer:
        """One that :meth:`save` has written. No code in the file is run.

        Raises:
            WeightsError: no file, a damaged, changed or foreign one, or a backbone that is not to be had.
            ConfigError: no GPU where one is asked for.
        """
        enrolled = load_enrolled(Path(path))
        origin, video = enrolled.encoder.origin, enrolled.encoder.video
        made = cls(
            **{origin.kind: origin.name},  # type: ignore[arg-type]
            num_frames=video.num_frames,
            size=video.crop,
            cache=cache,
            num_threads=num_threads,
            device=device,
        )
        made.enrolled_ = enrolled
        made._seeing()
        return made

    def save(self, path: str | Path) -> None:
        """Write everything into one safetensors file, whole or not at all.

        Raises:
            OutputError: it cannot be written.
            NotEnrolledError: there is nothing to write.
        """
        save_enrolled(Path(path), self._enrolled())

    # --- enrolling ---

    def fit(
        self,
        clips: Clips,
        labels: ArrayLike,
        *,
        names: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> Recognizer:
        """Enrol clips, instead of whatever was enrolled before.

        Args:
            clips: paths, or frames; see the class.
            labels: the class of each clip.
            names: what to call the clips; the last two parts of their paths when None.
            progress: told about long steps.

        Raises:
            UndecodableError: clips that cannot be decoded, in one message; the features of the others are kept.
            DataError: no clips, entries that are none, or labels that do not fit.
            WeightsError: weights or a backbone that cannot be had.
        """
        listed = as_clips(clips)
        plain = plain_labels(labels, len(listed))
        self.enrolled_ = enrol_clips(self._place(progress), self._source(), listed, plain, names=names)
        return self

    def add(
        self, clips: Clips, label: Label, *, refit: bool = True, progress: Progress | None = None
    ) -> Recognizer:
        """Enrol more clips of one class, new or known.

        The result is that of fitting on all clips: where a reduction is fitted, it is fitted anew on the kept features
        of the earlier clips. ``refit=False`` leaves reduction and mean as they are.

        Raises:
            DataError: as :meth:`fit`; or features of earlier clips that are no longer in the cache.
        """
        before, listed = self._seeing(), as_clips(clips)
        self.enrolled_ = add_clips(self._place(progress), before, listed, label, refit=refit)
        return self

    def remove(self, label: Label, *, refit: bool = True, progress: Progress | None = None) -> Recognizer:
        """Forget a class; ``refit`` as in :meth:`add`.

        Raises:
            DataError: no such class, or the only one; or features that are no longer in the cache.
        """
        self.enrolled_ = remove_class(self._place(progress), self._seeing(), label, refit=refit)
        return self

    def rearrange(
        self,
        labels: Sequence[Label | None],
        clips: Clips = (),
        added_labels: Sequence[Label] = (),
        *,
        names: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> Recognizer:
        """Give the enrolled clips other labels, in the order of ``enrolled_.supports`` (None forgets), and add some.

        Reduction and mean stay as they are, as with ``refit=False``, unless no earlier clip stays.

        Raises:
            DataError: as :meth:`fit`; or not one label for each enrolled clip.
        """
        before, listed = self._seeing(), as_clips(clips)
        if len(added_labels) != len(listed):
            raise DataError(
                f"expected one label a clip, got {len(listed)} clips and {len(added_labels)} labels; match them"
            )
        self.enrolled_ = rearrange_clips(
            self._place(progress), before, labels, listed, added_labels, names=names
        )
        return self

    # --- asking ---

    def predict(self, clips: Clips, *, reject_unknown: bool = False) -> NDArray[Any]:
        """``(clip,)`` the class of each clip; with ``reject_unknown``, objects that are labels or ``"unknown"``.

        Raises:
            UndecodableError: clips that cannot be decoded, in one message.
            NotEnrolledError: nothing is enrolled.
            DataError: entries that are no clips.
        """
        enrolled, scores = self._enrolled(), self._scores(clips)
        best = scores.argmax(1) if len(scores) else np.zeros(0, np.int64)
        answers: NDArray[Any] = self.classes_[best]
        if not reject_unknown:
            return answers
        refused = scores.max(1, initial=-np.inf) < enrolled.confidence.threshold
        return np.where(refused, np.array(UNKNOWN, object), answers.astype(object))

    def predict_proba(self, clips: Clips) -> Float[np.ndarray, "clip class"]:
        """Probability of each enrolled class, given that the clip shows one of them, in the order of ``classes_``."""
        return self._enrolled().probabilities(self._scores(clips))

    def decision_function(self, clips: Clips) -> NDArray[np.float64]:
        """``(clip, class)`` scores, larger is more alike; for two classes, as scikit-learn wants it, ``(clip,)`` the
        score of the second less that of the first."""
        scores = self._scores(clips)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def score(self, clips: Clips, labels: ArrayLike) -> float:
        """Share of the clips whose predicted class is their label."""
        answers = self.predict(clips)
        return float((answers == label_array(plain_labels(labels, len(answers)))).mean())

    def recognize(
        self, clips: Clips, *, reject_unknown: bool = True, names: Sequence[str] | None = None
    ) -> Iterator[Recognition | DecodeError]:
        """The answer for each clip in turn; a clip that cannot be decoded gives its error, and the others go on.

        Args:
            clips: paths, or frames.
            reject_unknown: whether "unknown" is an answer.
            names: what to call the clips; the last two parts of their paths when None.
        """
        enrolled, listed = self._enrolled(), as_clips(clips)
        called = [clip_name(clip, i) for i, clip in enumerate(listed)] if names is None else names
        for name, scores in zip(called, self._each(listed), strict=True):
            if isinstance(scores, DecodeError):
                yield scores
            else:
                yield enrolled.recognition(name, scores, reject_unknown=reject_unknown)

    def explain(
        self, clip: ClipLike, *, reject_unknown: bool = True, name: str | None = None, number: int = 0
    ) -> Explanation:
        """The answer for one clip, with the closest enrolled clip of its best class and the plan between the two.

        Args:
            clip: a path, or frames.
            reject_unknown: whether "unknown" is an answer.
            name: what to call the clip.
            number: tells the pictures of several clips in one folder apart.

        Raises:
            DecodeError: the clip cannot be decoded.
        """
        enrolled = self._seeing()
        (checked,) = as_clips([clip])
        sampled = sample_clip(checked, enrolled.encoder.video)
        queries, match = enrolled.match([sampled])
        recognition = enrolled.recognition(
            clip_name(checked, number) if name is None else name,
            match.logits[0].double().numpy(),
            reject_unknown=reject_unknown,
        )
        return explain(enrolled, sampled, queries, match, recognition, number=number)

    def explain_each(
        self, clips: Clips, *, reject_unknown: bool = True, names: Sequence[str] | None = None
    ) -> Iterator[Explanation | DecodeError]:
        """:meth:`explain` of each clip in turn, ``num_threads`` at a time, its number its place.

        A clip that cannot be decoded gives its error, and the others go on. Arguments as for :meth:`recognize`.
        """
        self._enrolled()
        listed = as_clips(clips)
        called = [None] * len(listed) if names is None else names

        def answer(task: tuple[int, ClipLike, str | None]) -> Explanation | DecodeError:
            number, clip, name = task
            try:
                return self.explain(clip, reject_unknown=reject_unknown, name=name, number=number)
            except DecodeError as error:
                return error

        tasks = [(number, clip, name) for number, (clip, name) in enumerate(zip(listed, called, strict=True))]
        return map_in_threads(answer, tasks, num_threads=self.num_threads)

    def write_explanations(self, folder: str | Path, explanations: Sequence[Explanation]) -> None:
        """Write a folder of explained answers, which ``a2m2 report`` draws; whole or not at all.

        Raises:
            OutputError: ``folder`` holds something else, or cannot be written.
        """
        write_explanations(folder, self._enrolled(), explanations)

    @property
    def classes_(self) -> NDArray[Any]:
        """The enrolled classes, sorted."""
        return label_array(self._enrolled().classes)

    @property
    def report_(self) -> LeaveOneOut:
        """What leaving every enrolled clip out once has shown."""
        return self._enrolled().report

    def describe_source(self) -> str:
        """What it sees with, in one line.

        Raises:
            WeightsError: that is not to be had.
        """
        return self._source().description

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "enrolled_")

    # --- inside ---

    def _enrolled(self) -> Enrolled:
        if not self.__sklearn_is_fitted__():
            raise NotEnrolledError("nothing is enrolled yet; call fit(clips, labels) first")
        return self.enrolled_

    def _seeing(self) -> Enrolled:
        """What is enrolled, its encoder where ``device`` says."""
        enrolled, device = self._enrolled(), find_device(self.device)
        if enrolled.encoder.device.type != device.type:
            enrolled.encoder.to(device)
        return enrolled

    def _place(self, progress: Progress | None = None) -> Workplace:
        cache = default_cache() if self.cache is None else Path(self.cache)
        return Workplace(cache, self.choose, self.num_threads, progress)

    def _source(self) -> Source:
        origin = check_origin(self.weights, self.backbone)
        store = self._place().store
        return open_source(
            origin,
            num_frames=self.num_frames,
            size=self.size,
            store=store,
            device=find_device(self.device),
        )

    def _each(self, clips: Sequence[ClipLike]) -> Iterator[NDArray[np.float64] | DecodeError]:
        """Scores of each clip for every class, or why it cannot be decoded."""
        enrolled = self._seeing()

        def answer(clip: ClipLike) -> NDArray[np.float64] | DecodeError:
            try:
                sampled = sample_clip(clip, enrolled.encoder.video)
            except DecodeError as error:
                return error
            _, match = enrolled.match([sampled])
            return match.logits[0].double().numpy()

        return map_in_threads(answer, clips, num_threads=self.num_threads)

    def _scores(self, clips: Clips) -> Float[np.ndarray, "clip class"]:
        enrolled, listed = self._enrolled(), as_clips(clips)
        answers = list(self._each(listed))
        errors = [answer for answer in answers if isinstance(answer, DecodeError)]
        if errors:
            raise undecodable(errors)
        scores = [answer for answer in answers if not isinstance(answer, DecodeError)]
        return np.stack(scores) if scores else np.zeros((0, len(enrolled.classes)))
