"""The A² module: adaptive alignment of two sets of candidates by exact optimal transport.

    min_X  Σ_ij c_ij x_ij    subject to  x ≥ 0,  Σ_j x_ij = a_i,  Σ_i x_ij = b_j        (Earth Mover's Distance)
    c_ij  = 1 − cos(u_i, v_j) + λ |t_i − t_j|
    score = τ · (1 − EMD)

The transport is the paper's. The node weights a and b follow DeepEMD (inferred), τ = 12.5 too; the order prior λ,
centring and the rules for K shots are our choices: docs/method-choices.md lists each with its ablation. The plan
minimises exactly what the score reads, so by the envelope theorem the gradient with respect to the cost is the plan
and with respect to the weights the dual potentials; nothing is unrolled.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from a2m2.devices import to_host
from a2m2.matching.base import Matcher, check_labels, class_mean
from a2m2.matching.gram import PairCosines, episode_cosines, pair_cosines
from a2m2.matching.node_weights import FLOOR, WeightRule, WeightSource, energy_weights, node_weights
from a2m2.matching.order import OrderAxis, candidate_positions, order_cost
from a2m2.matching.shots import ShotRule, merge_shots
from a2m2.matching.temperature import Temperature
from a2m2.ot import emd, emd_with_plan, emd_within
from a2m2.structures import Descriptors, Evidence, Match


class CandidateGate(nn.Module):
    """A learned weight for each candidate from its own descriptor: ``sigmoid(w·u + β) + 1e-3``, u of unit length.

    Starts at zero, that is, with equal weights. Our choice.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, values: Float[Tensor, "batch node dim"]) -> Float[Tensor, "batch node"]:
        unit = nn.functional.normalize(values, dim=-1)
        return self.linear(unit).squeeze(-1).sigmoid() + FLOOR


class A2Matcher(Matcher):
    """Scores by the Earth Mover's Distance between candidates.

    Args:
        weights: node weights: ``cross_reference``, ``uniform``, ``softmax``, motion ``energy`` or the learned ``gate``.
        weight_source: cosines that ``cross_reference`` and ``softmax`` read; ``raw`` descriptors by default, since
            on centred ones the weights lose more than they bring.
        sharpness: κ of ``softmax``.
        shots: ``per_video``, ``prototype`` or ``union``.
        order_prior: λ, 0 for none.
        order_axis: what λ measures distance on: ``time`` or motion ``progress``.
        temperature: τ.
        learn_temperature: make τ a parameter.
        dim: descriptor length, needed by ``gate`` only.
        num_threads: threads of the transport solver; None for all cores.
        tolerance: largest relative error of the EMD, certified for each pair; 0 is exact. It saves time on long
            videos only. Where a gradient through the EMD is wanted, as in training, the EMD is exact
            whatever this says: the plan of a near solution is not its gradient.
    """

    aligns = True
    symmetric = True

    def __init__(
        self,
        *,
        weights: WeightRule = "cross_reference",
        weight_source: WeightSource = "raw",
        sharpness: float = 5.0,
        shots: ShotRule = "per_video",
        order_prior: float = 0.0,
        order_axis: OrderAxis = "time",
        temperature: float = 12.5,
        learn_temperature: bool = False,
        dim: int | None = None,
        num_threads: int | None = None,
        tolerance: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= tolerance < 1:
            raise ValueError(f"expected a tolerance in [0, 1), got {tolerance}")
        if order_prior < 0:
            raise ValueError(f"expected order_prior ≥ 0, got {order_prior}")
        if weights == "gate" and dim is None:
            raise ValueError("expected dim, the descriptor length, for weights='gate', got None")
        self.weights: WeightRule = weights
        self.weight_source: WeightSource = weight_source
        self.sharpness = sharpness
        self.shots: ShotRule = shots
        self.mean_of_pairs = shots == "per_video"
        self.order_prior = order_prior
        self.order_axis: OrderAxis = order_axis
        self.num_threads = num_threads
        self.tolerance = tolerance
        # Energy lies in time, not in the descriptors: it too tells where a candidate is.
        self.uses_order = order_prior > 0 or weights == "energy"
        self.learnt = weights == "gate"
        self.gate = CandidateGate(dim) if weights == "gate" and dim is not None else None
        self.temperature = Temperature(temperature, learn=learn_temperature)

    def forward(
        self,
        support: Descriptors,
        support_labels: Int[Tensor, "support"],
        query: Descriptors,
        *,
        num_classes: int,
    ) -> Match:
        check_labels(support, support_labels, num_classes)
        targets = merge_shots(
            support,
            self._positions(support),
            support_labels,
            self.shots,
            num_classes=num_classes,
            weights=energy_weights(support) if self.weights == "energy" else None,
        )
        cosines = pair_cosines(query, targets.descriptors)
        cost = self._cost(cosines, self._positions(query), targets.positions)
        target_own = targets.weights if self.gate is None else self.gate(targets.descriptors.values)
        query_weights, target_weights = self._weights(cosines, self._own_weights(query), target_own)
        if targets.present is not None:
            target_weights = target_weights * targets.present
        value, plan = self._transport(
            cost.flatten(0, 1), query_weights.flatten(0, 1), target_weights.flatten(0, 1)
        )
        pairs = cost.shape[:2]
        score = self.temperature() * (1 - value.view(pairs))
        evidence = Evidence(plan.view(cost.shape), cosines.centred.detach(), targets.labels)
        return Match(class_mean(score, targets.labels, num_classes), evidence)

    @torch.inference_mode()
    def episode_scores(
        self, support: Descriptors, query: Descriptors, *, num_episodes: int = 1
    ) -> Float[Tensor, "episode query support"]:
        """Score of each query for each support video of its own episode, of many episodes at once.

        Cosines and costs are computed where the descriptors lie, and transport on the host, where the scores are. They
        are those of :meth:`forward` but for rounding.

        Args:
            support: ``num_episodes`` times as many videos, episode after episode.
            query: as many times as many videos.
            num_episodes: how many.

        Raises:
            ValueError: shots are merged, so that scores are not of pairs; or descriptors of different encoders.
        """
        if not self.mean_of_pairs:
            raise ValueError(f"expected shots='per_video', so that pairs have scores, got {self.shots!r}")
        num_query = len(query) // num_episodes

        def beside_queries(own: Tensor | None) -> Tensor | None:
            """What support videos have, for every query of their episode."""
            if own is None:
                return None
            each = own.unflatten(0, (num_episodes, -1))
            return each[:, None].expand(-1, num_query, -1, -1).flatten(0, 1)

        cosines = episode_cosines(query, support, num_episodes=num_episodes)
        cost = self._cost(cosines, self._positions(query), beside_queries(self._positions(support)))
        weights = self._weights(cosines, self._own_weights(query), beside_queries(self._own_weights(support)))
        cost, a, b, temperature = to_host(
            *(part.flatten(0, 1) for part in (cost, *weights)), self.temperature()
        )
        if self.tolerance > 0:
            value = emd_within(cost, a, b, tolerance=self.tolerance, num_threads=self.num_threads).value
        else:
            value = emd(cost, a, b, num_threads=self.num_threads)
        return temperature * (1 - value.view(num_episodes, num_query, -1))

    def _positions(self, descriptors: Descriptors) -> Float[Tensor, "batch node"] | None:
        """Places of the candidates for the order prior, None without one."""
        return candidate_positions(descriptors, self.order_axis) if self.order_prior > 0 else None

    def _own_weights(self, descriptors: Descriptors) -> Float[Tensor, "batch node"] | None:
        """Weights that a video gives its own candidates, whatever it is compared with; None where it gives none."""
        if self.gate is not None:
            return self.gate(descriptors.values)
        return energy_weights(descriptors) if self.weights == "energy" else None

    def _cost(
        self,
        cosines: PairCosines,
        query_positions: Float[Tensor, "query node"] | None,
        target_positions: Float[Tensor, "*query target target_node"] | None,
    ) -> Float[Tensor, "query target node target_node"]:
        cost = 1 - cosines.centred
        if query_positions is None or target_positions is None:
            return cost
        return cost + self.order_prior * order_cost(query_positions, target_positions)

    def _transport(
        self,
        cost: Float[Tensor, "pair row column"],
        a: Float[Tensor, "pair row"],
        b: Float[Tensor, "pair column"],
    ) -> tuple[Float[Tensor, " pair"], Float[Tensor, "pair row column"]]:
        """EMD and plan of each pair."""
        wants_gradient = torch.is_grad_enabled() and (
            cost.requires_grad or a.requires_grad or b.requires_grad
        )
        if self.tolerance > 0 and not wants_gradient:
            near = emd_within(cost, a, b, tolerance=self.tolerance, num_threads=self.num_threads)
            return near.value, near.plan
        value, solved = emd_with_plan(cost, a, b, num_threads=self.num_threads)
        return value, solved.plan

    def _weights(
        self,
        cosines: PairCosines,
        query_own: Float[Tensor, "query node"] | None,
        target_own: Float[Tensor, "*query target target_node"] | None,
    ) -> tuple[Float[Tensor, "query target node"], Float[Tensor, "query target target_node"]]:
        if query_own is None or target_own is None:
            return node_weights(cosines, self.weights, source=self.weight_source, sharpness=self.sharpness)
        # Each video's own, whatever it is compared with.
        return (
            query_own[:, None].expand(-1, target_own.shape[-2], -1),
            target_own.expand(len(query_own), -1, -1),
        )
