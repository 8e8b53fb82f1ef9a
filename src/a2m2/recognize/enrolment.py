"""Enrolling clips, adding and removing some: each gives a new :class:`Enrolled`, and leaves the old one as it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from a2m2.data import DigestCache
from a2m2.data.store import FeatureStore
from a2m2.errors import DataError
from a2m2.eval.describe import concatenate
from a2m2.eval.maps import Progress
from a2m2.recognition_records import Label
from a2m2.recognize.clips import ClipLike
from a2m2.recognize.encoders import ClipEncoder
from a2m2.recognize.enrolled import Enrolled, enrol
from a2m2.recognize.labels import check_labels
from a2m2.recognize.sources import Source, source_of
from a2m2.recognize.supports import SupportClip, read_supports
from a2m2.structures import Descriptors


@dataclass(frozen=True)
class Workplace:
    """Where and how clips are enrolled.

    Attributes:
        cache: folder for features and digests.
        choose: whether settings are chosen by leaving one out.
        num_threads: clips worked on at the same time.
        progress: told about long steps.
    """

    cache: Path
    choose: bool = True
    num_threads: int = 2
    progress: Progress | None = None

    @property
    def store(self) -> FeatureStore:
        """Where features are kept; shared with evaluations."""
        return FeatureStore(self.cache / "features")

    def read(
        self,
        source: Source,
        clips: Sequence[ClipLike],
        labels: Sequence[Label],
        *,
        names: Sequence[str] | None = None,
        first: int = 0,
    ) -> tuple[SupportClip, ...]:
        """Clips decoded and their features kept, see :func:`read_supports`."""
        return read_supports(
            source,
            clips,
            labels,
            store=self.store,
            digests=DigestCache(self.cache),
            num_threads=self.num_threads,
            names=names,
            first=first,
            progress=self.progress,
        )

    def fit(self, source: Source, supports: Sequence[SupportClip]) -> Enrolled:
        """Everything anew, from kept features.

        Raises:
            DataError: some are no longer there.
        """
        missing = [support.name for support in supports if not source.holds(support.digest)]
        if missing:
            raise DataError(
                f"the reduction cannot be fitted anew: the features of {len(missing)} enrolled clips, such as "
                f"{missing[0]}, are not in {self.cache}; fit on all the clips, or pass refit=False to leave the "
                "reduction as it is"
            )
        return self._enrol(source.encoders([support.digest for support in supports]), supports)

    def keep(
        self, encoder: ClipEncoder, descriptors: Descriptors, supports: Sequence[SupportClip]
    ) -> Enrolled:
        """The same encoder with other supports."""
        return self._enrol([(encoder, descriptors)], supports)

    def _enrol(
        self, encoders: Iterable[tuple[ClipEncoder, Descriptors]], supports: Sequence[SupportClip]
    ) -> Enrolled:
        return enrol(
            encoders,
            supports,
            choose=self.choose,
            num_threads=self.num_threads,
            progress=self.progress,
        )


def enrol_clips(
    place: Workplace,
    source: Source,
    clips: Sequence[ClipLike],
    labels: Sequence[Label],
    *,
    names: Sequence[str] | None = None,
) -> Enrolled:
    """Labelled clips, enrolled.

    Raises:
        UndecodableError: clips that cannot be decoded, in one message; the features of the others are kept.
    """
    return place.fit(source, place.read(source, clips, labels, names=names))


def add_clips(
    place: Workplace, before: Enrolled, clips: Sequence[ClipLike], label: Label, *, refit: bool
) -> Enrolled:
    """More clips of one class, new or known.

    Raises:
        UndecodableError: as :func:`enrol_clips`.
        DataError: a label of another kind, or features of earlier clips that are gone.
    """
    labels = check_labels([label] * len(clips))
    check_labels([before.classes[0], label])
    source = source_of(before.encoder, place.store)
    added = place.read(source, clips, labels, first=len(before.supports))
    supports = (*before.supports, *added)
    if refit and source.fitted:
        return place.fit(source, supports)
    described = source.describe(before.encoder, [support.digest for support in added])
    return place.keep(before.encoder, concatenate([before.descriptors, described]), supports)


def remove_class(place: Workplace, before: Enrolled, label: Label, *, refit: bool) -> Enrolled:
    """Without the clips of one class.

    Raises:
        DataError: no such class, or the only one; or features of the others that are gone.
    """
    if label not in before.classes:
        enrolled = ", ".join(map(str, before.classes))
        raise DataError(f"no class {label!r} is enrolled, only {enrolled}; name one of these")
    if len(before.classes) == 1:
        raise DataError(f"{label!r} is the only enrolled class; fit others instead of removing it")
    rows = [row for row, support in enumerate(before.supports) if support.label != label]
    supports = tuple(before.supports[row] for row in rows)
    source = source_of(before.encoder, place.store)
    if refit and source.fitted:
        return place.fit(source, supports)
    return place.keep(before.encoder, before.descriptors[torch.tensor(rows)], supports)


def rearrange_clips(
    place: Workplace,
    before: Enrolled,
    labels: Sequence[Label | None],
    clips: Sequence[ClipLike],
    added_labels: Sequence[Label],
    *,
    names: Sequence[str] | None = None,
) -> Enrolled:
    """The enrolled clips under other labels, and more clips; nothing of the earlier ones need be in the cache.

    A fitted reduction stays as it is, unless none of the clips that it was fitted on stays.

    Args:
        place: where and how.
        before: what is enrolled.
        labels: of the clips that are enrolled, in their order; None leaves one out.
        clips, added_labels: more clips and their classes.
        names: what to call these.

    Raises:
        UndecodableError: as :func:`enrol_clips`.
        DataError: labels that do not fit, or nothing left.
    """
    if len(labels) != len(before.supports):
        raise DataError(
            f"expected a label for each of the {len(before.supports)} enrolled clips, got {len(labels)}; match them"
        )
    kept = [(row, label) for row, label in enumerate(labels) if label is not None]
    check_labels([*(label for _, label in kept), *added_labels])
    source = source_of(before.encoder, place.store)
    added = place.read(source, clips, added_labels, names=names, first=len(before.supports)) if clips else ()
    if not kept:
        return place.fit(source, added)
    supports = tuple(replace(before.supports[row], label=label) for row, label in kept)
    descriptors = before.descriptors[torch.tensor([row for row, _ in kept])]
    if added:
        described = source.describe(before.encoder, [support.digest for support in added])
        descriptors = concatenate([descriptors, described])
    return place.keep(before.encoder, descriptors, (*supports, *added))
