"""Methods without training in an evaluation: a frozen backbone, and a reduction fitted on clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from a2m2.data import Dataset, DigestCache
from a2m2.data.store import FeatureStore
from a2m2.devices import CPU
from a2m2.errors import ConfigError, DataError
from a2m2.eval.entry import Entry
from a2m2.eval.library import Library
from a2m2.eval.maps import MapBank, Progress, backbone_stages
from a2m2.eval.runner import Contestant
from a2m2.eval.sources import DescriptorSource, FixedSource, SupportFitSource
from a2m2.methods import Method, find_method
from a2m2.nn import load_backbone
from a2m2.settings import EvaluateSettings

TRAIN = "train"
"""Name of the split that ``fit`` takes clips from."""

STANDARD = ("a2m2_net", "diagonal", "protonet", "mean_feature")
"""Methods that run when none is named."""

TRANSDUCTIVE = (
    "transductive: reduction and mean descriptor were fitted on the test clips, queries included and unlabelled; "
    "do not compare with inductive figures"
)


def methods_of(settings: EvaluateSettings) -> dict[str, Method]:
    """The methods that ``settings`` name, built.

    Raises:
        ConfigError: none, one that does not exist, or one with parts that only training can find.
    """
    names = STANDARD if settings.methods is None else settings.methods
    methods = {name: find_method(name)(settings.m2, settings.a2) for name in dict.fromkeys(names)}
    if not methods:
        raise ConfigError("no methods to run; name at least one, for example --method a2m2_net")
    for name, method in methods.items():
        parts = _untrained_parts(method, settings)
        if parts:
            raise ConfigError(
                f"{name} has parts without weights ({', '.join(parts)}); train it with 'a2m2 train', or use pca, none "
                "or difference, a method and a2.weights that learn nothing, and no difference inside the backbone"
            )
    return methods


def _untrained_parts(method: Method, settings: EvaluateSettings) -> list[str]:
    """What only training can find, in the words of the settings."""
    m2 = method.m2
    parts = []
    if m2.trained:
        parts += [f"m2.reduction {m2.reduction}", f"m2.calibration {m2.calibration}"]
    if method.matcher.learnt:
        parts.append("its matcher")
    if settings.backbone.difference:
        parts.append("backbone.difference true")
    return parts


class TrainingFreeEntry(Entry):
    """Named methods on one backbone.

    Args:
        settings: of the evaluation.
        methods: from :func:`methods_of`.
        dataset: all clips, the train split among them.
        test: the clips to test on.
        digests: content digest of each of them.
        digest_cache: for the clips to fit on.
        cache: folder of the feature store.
        device: where clips are encoded.

    Attributes:
        notes: remarks that a reader must know.
    """

    def __init__(
        self,
        settings: EvaluateSettings,
        methods: dict[str, Method],
        dataset: Dataset,
        test: Dataset,
        digests: Sequence[str],
        digest_cache: DigestCache,
        cache: Path,
        device: torch.device = CPU,
    ) -> None:
        self._methods, self._test, self._digests = methods, test, digests
        self.fit = fit_source(dataset, settings)
        self.video = settings.video
        self.descriptions = {name: method.description for name, method in methods.items()}
        self.notes = (TRANSDUCTIVE,) if self.fit == "transductive" else ()
        self._source = settings.backbone.source
        stages = [stage for method in methods.values() for stage in method.m2.stages]
        backbone = load_backbone(
            settings.backbone.source,
            stages=backbone_stages(stages),
            last_stride=settings.backbone.last_stride,
            random_seed=settings.backbone.random_seed,
        ).to(device)
        self._bank = MapBank(FeatureStore(cache / "features"), backbone, settings.video, stages)
        self.weights_digest = self._bank.backbone_digest
        if self.fit == "train":
            fit_videos = list(dataset.select([TRAIN]).at_most(settings.fit_max_clips).videos)
            fit_digests = digest_cache.digests([video.path for video in fit_videos])
        elif self.fit == "transductive":
            fit_videos, fit_digests = list(test.videos), list(digests)
        else:
            fit_videos, fit_digests = [], []
        self._library = Library(self._bank, test.videos, digests, fit_videos, fit_digests)

    def contestants(self, *, num_threads: int, progress: Progress | None) -> Sequence[Contestant]:
        self._library.num_threads, self._library.progress = num_threads, progress
        representations = list({method.m2.digest(): method.m2 for method in self._methods.values()}.values())
        sources: dict[str, DescriptorSource] = {}
        if self.fit == "supports":
            self._bank.embed(self._test.videos, self._digests, progress=progress, num_threads=num_threads)
        else:
            self._library.prepare(representations)
        for m2 in representations:
            if self.fit == "supports":
                sources[m2.digest()] = SupportFitSource(self._bank, self._digests, m2)
            else:
                sources[m2.digest()] = FixedSource(self._library.describe(m2))
        return [
            Contestant(name, sources[method.m2.digest()], method.matcher.eval())
            for name, method in self._methods.items()
        ]

    def pts_seconds(self) -> Float[Tensor, "video time"]:
        if self._library.pts_seconds is not None:
            return self._library.pts_seconds
        stages = self._bank.stages[:1]
        return torch.stack([self._bank.load(digest, stages).pts_seconds for digest in self._digests])

    def plan(self) -> list[str]:
        missing = len(self._bank.missing(self._test.videos, self._digests))
        num_fit = len(self._library.fit_videos)
        return [
            f"fit: {self.fit}, {num_fit} clips" if num_fit else f"fit: {self.fit}",
            f"backbone: {self._source}, weights {self.weights_digest}",
            f"maps: {missing} of {len(self._test)} test clips still to embed; kept in {self._bank.store.root}",
        ]


def fit_source(dataset: Dataset, settings: EvaluateSettings) -> str:
    """Which clips reduction and mean descriptor are fitted on.

    Raises:
        DataError: a train split was asked for and there is none.
    """
    usable = TRAIN in dataset.splits and TRAIN not in settings.split
    if settings.fit == "auto":
        return "train" if usable else "supports"
    if settings.fit == "train" and not usable:
        raise DataError(
            f"{dataset.name} has no train split apart from the test clips to fit on; use --fit supports"
        )
    return settings.fit
