"""Searching an index by example: sketches name candidates, exact transport ranks them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int

from a2m2.data import DigestCache
from a2m2.devices import DeviceName, find_device
from a2m2.errors import DataError
from a2m2.eval.describe import concatenate
from a2m2.eval.threads import map_in_threads
from a2m2.library.catalogue import Catalogue, read_catalogue
from a2m2.library.contents import Contents
from a2m2.library.eyes import describe_alone, read_eyes
from a2m2.library.first_pass import FirstPass, open_first_pass
from a2m2.library_records import Hit, SearchRecord
from a2m2.matching import A2Matcher
from a2m2.recognize.clips import ClipLike, as_clips, clip_digest, clip_name, sample_clip
from a2m2.recognize.encoders import ClipEncoder
from a2m2.structures import Descriptors

CANDIDATES = 96
"""Contents that are compared exactly."""

_BLOCK = 32


@dataclass(frozen=True, eq=False, repr=False)
class Library:
    """An index, opened for searching.

    Attributes:
        contents: the catalogue and what the shards hold.
        matcher: compares.
        first_pass: names candidates; None for a small collection.
    """

    contents: Contents
    matcher: A2Matcher
    first_pass: FirstPass | None

    @property
    def encoder(self) -> ClipEncoder:
        """Describes examples."""
        return self.contents.encoder

    @property
    def catalogue(self) -> Catalogue:
        """Which clips there are."""
        return self.contents.catalogue

    def __len__(self) -> int:
        return len(self.catalogue.contents)

    def __repr__(self) -> str:
        return f"Library({self.contents.folder}: {len(self)} contents)"

    def search(
        self,
        examples: Sequence[ClipLike],
        *,
        top: int = 10,
        candidates: int = CANDIDATES,
        cache: Path,
        num_threads: int = 2,
    ) -> SearchRecord:
        """The clips most like the examples.

        Args:
            examples: clips of the action to look for; scores are means over them.
            top: contents to name.
            candidates: contents that are compared exactly; as many as there are, or more, compares all.
            cache: folder where content digests are remembered.
            num_threads: examples decoded at the same time.

        Raises:
            DecodeError: an example that cannot be decoded.
            DataError: no example, or one that cannot be read.
            RecordError: a part of the index that is missing or damaged.
        """
        clips = as_clips(examples)
        if not clips:
            raise DataError("expected an example to search for, got none; give one clip or more")
        digests = DigestCache(cache)
        shown = {clip_digest(clip, digests) for clip in clips}

        def describe(clip: ClipLike) -> Descriptors:
            return describe_alone(self.encoder, sample_clip(clip, self.encoder.video))

        described = concatenate(list(map_in_threads(describe, clips, num_threads=num_threads)))
        rows, scores = self.rank(described, candidates=candidates)
        hits = tuple(
            Hit(self.catalogue.names_of(row), round(float(score), 6), self.contents.digest(row) in shown)
            for row, score in zip(rows[:top].tolist(), scores[:top], strict=True)
        )
        names = tuple(clip_name(clip, position) for position, clip in enumerate(clips))
        return SearchRecord(names, len(self), len(rows), hits)

    def rank(
        self, examples: Descriptors, *, candidates: int
    ) -> tuple[Int[np.ndarray, "compared"], Float[np.ndarray, "compared"]]:
        """Rows of the catalogue and their scores, best first; of equal ones the first.

        Raises:
            RecordError: a shard that is missing or damaged, by name.
        """
        rows = np.sort(self.candidates(examples, candidates))
        parts = [
            pair_means(self.matcher, examples, self.contents.descriptors(rows[start : start + _BLOCK]))
            for start in range(0, len(rows), _BLOCK)
        ]
        scores = np.concatenate(parts)
        order = np.argsort(-scores, kind="stable")
        return rows[order], scores[order]

    def candidates(self, examples: Descriptors, count: int) -> Int[np.ndarray, "candidate"]:
        """Rows worth comparing exactly: all of them where there is no first pass, or ``count`` is no fewer."""
        if self.first_pass is None or count >= len(self):
            return self.catalogue.contents
        return self.first_pass.nearest(examples, count, order_prior=self.matcher.order_prior)


def open_library(folder: Path, *, order_prior: float | None = None, device: DeviceName = "auto") -> Library:
    """An index that :func:`a2m2.library.index_collection` has finished, wherever its folder lies now.

    Args:
        folder: of the index.
        order_prior: one of the encoder's ``order_priors``; its standing one when None.
        device: where examples are encoded.

    Raises:
        RecordError: no index, one that is not finished, or damage.
        WeightsError: the encoder is damaged, or a backbone that is not to be had.
        ConfigError: usearch is needed and not installed, or no GPU where one is asked for.
    """
    place = find_device(device)
    encoder = read_eyes(folder)
    encoder.to(place)
    catalogue = read_catalogue(folder)
    names = catalogue.first_pass
    first_pass = open_first_pass(folder, names, catalogue.contents) if names else None
    prior = encoder.order_priors[0] if order_prior is None else order_prior
    return Library(Contents(folder, encoder, catalogue), encoder.matcher(prior), first_pass)


@torch.inference_mode()
def pair_means(matcher: A2Matcher, examples: Descriptors, others: Descriptors) -> Float[np.ndarray, "other"]:
    """Mean score of each of ``others`` over the examples."""
    labels = torch.zeros(len(examples), dtype=torch.int64)
    scores: Float[np.ndarray, "other"] = matcher(examples, labels, others, num_classes=1).logits[:, 0].numpy()
    return scores
