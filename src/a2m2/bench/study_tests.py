"""What the study asks of trained networks: accuracy on paired episodes, alignment truth, and the choice of λ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from a2m2.config import load
from a2m2.data import Dataset, DigestCache, EpisodeSampler, load_dataset, read_annotation
from a2m2.data.store import FeatureStore
from a2m2.eval.alignment import UNIFORM, AlignmentTruth, frame_labels
from a2m2.eval.evaluate import evaluate
from a2m2.eval.pair_table import episode_accuracies, pair_scores
from a2m2.eval.runner import Contestant, run_episodes
from a2m2.eval.sources import FixedSource
from a2m2.eval.stats import mean_interval
from a2m2.eval.trained import describe_videos
from a2m2.matching import A2Matcher, Matcher
from a2m2.records import Episode
from a2m2.settings import EvaluateSettings
from a2m2.structures import Descriptors
from a2m2.weights import SavedNetwork, load_network

Progress = Callable[[str, int, int], None]

WAY = 5
VALIDATION_EPISODES = 5000
ORDER_PRIORS: tuple[tuple[str, float], ...] = (
    ("time", 0.0),
    *((axis, weight) for axis in ("time", "progress") for weight in (0.1, 0.3, 0.6)),
)
WITH_PRIOR = "a2m2_net, order prior"
"""Row of the same networks with the order prior that validation chose."""
TRAINING_FREE = "training-free"


class Tester:
    """One set of clips, described once by every network.

    Args:
        manifest: clips.
        split: the split to test on.
        cache: folder of descriptors.
        progress: told about long steps.
    """

    def __init__(self, manifest: Path, *, cache: Path, progress: Progress, split: str = "test") -> None:
        self.manifest, self.cache, self.progress = manifest, cache, progress
        self.clips: Dataset = load_dataset(manifest).select([split])
        self.store = FeatureStore(cache / "features")
        self._drawn: dict[int, Sequence[Episode]] = {}
        self.digests = DigestCache(cache).digests([video.path for video in self.clips.videos])

    def describe(self, saved: SavedNetwork) -> tuple[Descriptors, torch.Tensor]:
        """Descriptors of all clips, and the times of their frames."""
        return describe_videos(saved, self.clips.videos, self.digests, self.store, progress=self.progress)

    def sampler(self, shot: int) -> EpisodeSampler:
        """The episodes that everyone is tested on."""
        return EpisodeSampler(
            self.clips.video_classes, class_names=self.clips.classes, way=WAY, shot=shot, query=1, seed=0
        )

    def episodes(self, shot: int, number: int) -> Sequence[Episode]:
        """The first of them, drawn once."""
        if len(self._drawn.get(shot, ())) != number:
            sampler = self.sampler(shot)
            self._drawn[shot] = [sampler.episode(index) for index in range(number)]
        return self._drawn[shot]

    def accuracies(
        self, matcher: Matcher, descriptors: Descriptors, shots: Sequence[int], episodes: int, what: str
    ) -> dict[int, NDArray[np.float64]]:
        """Accuracy in every episode, for each number of shots."""
        result = {}
        table = pair_scores(matcher, descriptors) if matcher.mean_of_pairs else None
        for number, shot in enumerate(shots, 1):
            drawn = self.episodes(shot, episodes)
            if table is not None:
                result[shot] = episode_accuracies(table, drawn)
            else:
                contestant = Contestant("one", FixedSource(descriptors), matcher)
                records = run_episodes([contestant], drawn.__getitem__, episodes)
                result[shot] = np.array([record.num_correct("one") / WAY for record in records])
            self.progress(what, number, len(shots))
        return result

    def test(
        self,
        networks: Mapping[str, Sequence[Path]],
        prior: tuple[str, float],
        *,
        shots: Sequence[int],
        episodes: int,
        truth_episodes: int,
        training_free: bool,
    ) -> dict[str, Any]:
        """Accuracy of every row, its lead of A², and how true its alignments are; means over the training seeds."""
        accuracies: dict[str, list[dict[int, NDArray[np.float64]]]] = {}
        truths: dict[str, list[float]] = {}
        where = self.manifest.stem
        for row, places in networks.items():
            for seed, place in enumerate(places):
                saved = load_network(place)
                descriptors, pts = self.describe(saved)
                matcher = saved.network.matcher.eval()
                asked = [(row, matcher)]
                if row == "a2m2_net":
                    asked.append((WITH_PRIOR, with_order_prior(matcher, *prior)))
                for name, one in asked:
                    what = f"{where}: {name}, seed {seed}"
                    accuracies.setdefault(name, []).append(
                        self.accuracies(one, descriptors, shots, episodes, what)
                    )
                    if truth_episodes and (one.aligns or row == "diagonal"):
                        shares = self._truth(one, descriptors, pts, truth_episodes)
                        truths.setdefault(name, []).append(shares["one"])
                        if name == "a2m2_net":
                            truths.setdefault(UNIFORM, []).append(shares[UNIFORM])
        if training_free:
            accuracies[TRAINING_FREE] = [self._training_free(shots, episodes)]
        return {
            "accuracy": {row: _figures(runs, shots) for row, runs in accuracies.items()},
            "a2_minus": {
                row: _figures(_differences(accuracies["a2m2_net"], runs), shots)
                for row, runs in accuracies.items()
                if row != "a2m2_net"
            },
            "prior_minus": {
                row: _figures(_differences(accuracies[WITH_PRIOR], runs), shots)
                for row, runs in accuracies.items()
                if row not in ("a2m2_net", WITH_PRIOR)
            },
            "alignment": {row: {"mean": float(np.mean(v)), "seeds": v} for row, v in truths.items()},
        }

    def _truth(
        self, matcher: Matcher, descriptors: Descriptors, pts: torch.Tensor, episodes: int
    ) -> dict[str, float]:
        """Share of non-idle mass between single frames that joins the same sub-action; also of a uniform plan."""
        annotations = [read_annotation(video.annotation) for video in self.clips.videos]
        truth = AlignmentTruth(frame_labels(annotations, pts.tolist()), {"one": descriptors.windows})
        contestant = Contestant("one", FixedSource(descriptors), matcher)
        for _ in run_episodes([contestant], self.sampler(1).episode, episodes, observer=truth):
            pass
        shares = truth.summary()
        return {key: float(value["non_idle"]["share"]) for key, value in shares.items()}

    def _training_free(self, shots: Sequence[int], episodes: int) -> dict[int, NDArray[np.float64]]:
        """The method without training on hand-made motion filters, over the same episodes."""
        result = {}
        for shot in shots:
            settings = load(
                EvaluateSettings,
                data=str(self.manifest),
                methods=("a2m2_net",),
                fit_max_clips=320,
                video={"resize": 96, "crop": 96},
                protocol={"way": WAY, "shot": shot, "episodes": episodes},
            )
            done = evaluate(settings, cache=self.cache, progress=self.progress)
            result[shot] = np.array([record.num_correct("a2m2_net") / WAY for record in done.records])
        return result


def with_order_prior(matcher: Matcher, axis: str, weight: float) -> A2Matcher:
    """The same matcher, uniform weights, with another order prior; its temperature does not matter to answers."""
    assert isinstance(matcher, A2Matcher)
    return A2Matcher(
        weights=matcher.weights,
        weight_source=matcher.weight_source,
        shots=matcher.shots,
        order_prior=weight,
        order_axis=axis,  # type: ignore[arg-type]
        num_threads=1,
    ).eval()


def choose_order_prior(
    places: Sequence[Path], manifest: Path, *, cache: Path, progress: Progress
) -> tuple[str, float]:
    """Axis and weight of the best mean accuracy over validation classes, 1-shot, and over all training seeds."""
    tester = Tester(manifest, cache=cache, progress=progress, split="val")
    totals = dict.fromkeys(ORDER_PRIORS, 0.0)
    for place in places:
        saved = load_network(place)
        descriptors, _ = tester.describe(saved)
        for number, (axis, weight) in enumerate(ORDER_PRIORS, 1):
            matcher = with_order_prior(saved.network.matcher, axis, weight)
            table = pair_scores(matcher, descriptors)
            drawn = tester.episodes(1, VALIDATION_EPISODES)
            totals[axis, weight] += float(episode_accuracies(table, drawn).mean())
            progress(f"choosing an order prior, {manifest.stem}, {place.name}", number, len(ORDER_PRIORS))
    return max(totals, key=lambda option: totals[option])


def _differences(
    first: Sequence[Mapping[int, NDArray[np.float64]]], second: Sequence[Mapping[int, NDArray[np.float64]]]
) -> list[dict[int, NDArray[np.float64]]]:
    """Seed by seed and episode by episode; a row without seeds is compared with every seed."""
    return [
        {shot: run[shot] - second[seed % len(second)][shot] for shot in run} for seed, run in enumerate(first)
    ]


def _figures(runs: Sequence[Mapping[int, NDArray[np.float64]]], shots: Sequence[int]) -> dict[str, Any]:
    """For each number of shots: mean over seeds and episodes, its interval over episodes, and the seeds' means."""
    result = {}
    for shot in shots:
        mean, interval = mean_interval(np.mean([run[shot] for run in runs], axis=0))
        seeds = [float(run[shot].mean()) for run in runs]
        result[str(shot)] = {"mean": mean, "interval95": interval, "seeds": seeds}
    return result
