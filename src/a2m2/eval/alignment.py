"""Alignment truth: how much of a plan's mass joins candidates that show the same sub-action.

Measured between a query and the supports of its own class, over candidates of a single frame, where a sub-action is
known for every frame. ``non_idle`` is the share among the mass between two frames in which something happens;
``all`` is the share among all mass between single frames. The plan is the matcher's own, over all its candidates;
mass that touches a longer window counts in neither. The uniform plan stands beside as the reference.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from a2m2.eval.stats import mean_interval
from a2m2.records import Episode, SubActionSpan
from a2m2.structures import Evidence

IDLE = -1
UNIFORM = "uniform plan"


def frame_labels(
    annotations: Sequence[Sequence[SubActionSpan]], pts_seconds: Sequence[Sequence[float]]
) -> Int[Tensor, "video time"]:
    """Sub-action of every sampled frame: an integer a name, the same in all videos; −1 where nothing happens."""
    names = sorted({span.name for spans in annotations for span in spans})
    number = {name: index for index, name in enumerate(names)}
    rows = []
    for spans, times in zip(annotations, pts_seconds, strict=True):
        row = [IDLE] * len(times)
        for index, seconds in enumerate(times):
            for span in spans:
                if span.start_seconds <= seconds < span.end_seconds:
                    row[index] = number[span.name]
        rows.append(row)
    return torch.tensor(rows, dtype=torch.int64)


class AlignmentTruth:
    """Collects the shares episode by episode; an observer for :func:`a2m2.eval.runner.run_episodes`.

    Args:
        labels: ``(video, time)`` sub-action of each sampled frame of each video of the run.
        windows: method name to its ``(node, 2)`` windows, counted in sampled frames.
    """

    def __init__(self, labels: Int[Tensor, "video time"], windows: dict[str, Int[Tensor, "node 2"]]) -> None:
        self.labels = labels
        self._single = {
            method: torch.nonzero(window[:, 1] - window[:, 0] == 1).flatten()
            for method, window in windows.items()
        }
        self._frame = {method: window[self._single[method], 0] for method, window in windows.items()}
        self._shares: dict[str, dict[int, tuple[float, float]]] = {}
        self._lock = threading.Lock()

    def __call__(self, method: str, episode: Episode, evidence: Evidence) -> None:
        """Add one episode. Methods whose targets are not single support videos are left out."""
        support = [video for members in episode.support for video in members]
        if evidence.plan.shape[1] != len(support) or method not in self._single:
            return
        query = [video for members in episode.query for video in members]
        query_class = [way for way, members in enumerate(episode.query) for _ in members]
        pairs = [
            (row, column)
            for row, way in enumerate(query_class)
            for column, target in enumerate(evidence.target_labels.tolist())
            if target == way
        ]
        rows, columns = torch.tensor(pairs).T
        single, frame = self._single[method], self._frame[method]
        plan = evidence.plan[rows, columns][:, single][:, :, single]
        row_labels = self.labels[torch.tensor(query)[rows]][:, frame]
        column_labels = self.labels[torch.tensor(support)[columns]][:, frame]
        shares = plan_shares(plan, row_labels, column_labels)
        uniform = plan_shares(torch.ones_like(plan), row_labels, column_labels)
        with self._lock:
            self._shares.setdefault(method, {})[episode.index] = shares
            self._shares.setdefault(UNIFORM, {})[episode.index] = uniform

    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """For each method: share, 95 % interval over episodes, and number of episodes, non-idle and all.

        Episodes without mass between two non-idle frames are left out, and methods that have no others.
        """
        result = {}
        for method in sorted(self._shares, key=lambda name: (name == UNIFORM, name)):
            values = np.array([self._shares[method][index] for index in sorted(self._shares[method])])
            known = values[~np.isnan(values).any(axis=1)]
            if len(known):
                result[method] = {"non_idle": _describe(known[:, 0]), "all": _describe(known[:, 1])}
        return result


def plan_shares(plan: Tensor, row_labels: Tensor, column_labels: Tensor) -> tuple[float, float]:
    """Share of same-sub-action mass among non-idle mass, and among all; NaN where there is no mass."""
    active = (row_labels != IDLE)[:, :, None] & (column_labels != IDLE)[:, None, :]
    same = active & (row_labels[:, :, None] == column_labels[:, None, :])
    joined = float((plan * same).sum())
    between_active, total = float((plan * active).sum()), float(plan.sum())
    return (
        joined / between_active if between_active > 0 else float("nan"),
        joined / total if total > 0 else float("nan"),
    )


def _describe(values: NDArray[np.float64]) -> dict[str, float]:
    mean, half_width = mean_interval(values)
    return {"share": mean, "interval95": half_width, "episodes": len(values)}
