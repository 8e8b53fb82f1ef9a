"""The two stages as Lightning modules: what one batch costs, and what is done with its gradient."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from jaxtyping import Float
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from a2m2.errors import TrainingError
from a2m2.model import FewShotModel
from a2m2.ot import TransportError
from a2m2.structures import Descriptors
from a2m2.train.batches import Batch
from a2m2.train.classifier import BaseClassifier
from a2m2.train.draws import seed_of
from a2m2.train.encode import encode_training
from a2m2.train.optimizer import make_optimizer, rate_factor
from a2m2.train.ranks import ALONE, Ranks
from a2m2.train.sub_actions import sub_action_loss
from a2m2.train.turns import batch_norms_in_turn
from a2m2.train_settings import MetaSettings, OptimizerSettings, PretrainSettings, Stage, TrainSettings


def build_stage(
    settings: TrainSettings,
    stage: Stage,
    network: FewShotModel,
    head: BaseClassifier | None,
    *,
    num_steps: int,
    describe: Callable[[int], str],
    starts_fresh: bool,
    ranks: Ranks = ALONE,
) -> StageModule:
    """A stage as it is trained; arguments as in :class:`StageModule` and :class:`MetaStage`."""
    options: dict[str, Any] = {"num_steps": num_steps, "describe": describe, "ranks": ranks}
    if stage == "pretrain":
        pretrain = settings.pretrain
        return PretrainStage(network, head, settings, pretrain.optimizer, stage=pretrain, **options)
    meta = settings.meta
    return MetaStage(
        network, head, settings, meta.optimizer, stage=meta, starts_fresh=starts_fresh, **options
    )


class StageModule(pl.LightningModule, ABC):
    """What both stages share.

    Args:
        network: what is trained.
        head: classifier of the base classes, None where the stage needs none.
        settings: of the training.
        optimizer: of this stage.
        num_steps: of the optimiser.
        describe: a batch in words, given its number; for errors.
        ranks: the processes that share the batches.
    """

    def __init__(
        self,
        network: FewShotModel,
        head: BaseClassifier | None,
        settings: TrainSettings,
        optimizer: OptimizerSettings,
        *,
        num_steps: int,
        describe: Callable[[int], str],
        ranks: Ranks = ALONE,
    ) -> None:
        super().__init__()
        self.network = network
        self.head = head
        self.settings = settings
        self.optimizer_settings = optimizer
        self.num_steps = num_steps
        self.describe_batch = describe
        self.ranks = ranks
        self.recent: list[dict[str, float]] = []
        """Figures of the batches since they were last taken, those of all ranks."""

    @abstractmethod
    def set_modes(self) -> None:
        """Put every part into the mode that it is trained in."""

    @abstractmethod
    def losses(self, descriptors: Descriptors, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Loss and accuracy (a share) of one batch."""

    def on_train_start(self) -> None:
        self.set_modes()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch.

        Raises:
            TrainingError: it is not finite, here or on another rank; step and batch are named.
        """
        index = int(batch["index"])
        first = index - self.ranks.rank  # number of the batch that rank 0 takes at the same time
        failure = ""
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), batch_norms_in_turn(self.network, self.ranks):
            # Dropout draws from the global generator, which has no memory here: see a2m2.train.draws.
            torch.manual_seed(seed_of(self.settings.seed, "dropout", index))
            descriptors = encode_training(
                self.network.encoder,
                batch["frames"],
                # The first batch stands alone; whatever the mean was before, the running mean forgets it.
                mean_rate=[
                    1.0 if number == 0 and self.starts_fresh else self.stage.mean_rate
                    for number in range(first, first + self.ranks.size)
                ],
                mean_gradient=self.cosines,
                save_memory=self.settings.checkpoint_backbone,
                ranks=self.ranks,
            )
            # Half precision ends where the moments begin: autocast would round descriptors and scores again.
            with torch.autocast(self.device.type, enabled=False):
                try:
                    loss, accuracy = self.losses(descriptors, batch)
                except TransportError as error:
                    loss = accuracy = descriptors.values.new_tensor(math.nan)
                    failure = f"the transport is not finite ({error})"
        figure = float(loss.detach())
        if not failure and not math.isfinite(figure):
            failure = f"the loss is {figure}"
        # All ranks stop at the same batch with the same words, and each knows the figures of all.
        for rank, (words, value, share) in enumerate(self.ranks.share((failure, figure, float(accuracy)))):
            if words:
                raise self._failure(words, first + rank)
            self.recent.append({"loss": value, "accuracy": share})
        return loss

    def _failure(self, what: str, index: int) -> TrainingError:
        return TrainingError(
            f"{what} at step {self.global_step + 1} ({self.describe_batch(index)}); nothing was changed by it. Look at "
            "these clips, or lower the learning rate in another folder; --weights takes over the best weights so far"
        )

    stage: PretrainSettings | MetaSettings
    """Settings of the stage."""

    cosines = False
    """Whether the loss reads cosines of centred descriptors."""

    starts_fresh = True
    """Whether the mean descriptor means nothing yet when the first batch comes."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the figures since the last line of metrics, so that the next line is the same after a resume."""
        checkpoint["recent"] = self.recent

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take them back."""
        self.recent = checkpoint["recent"]

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Optimiser and schedule."""
        new: list[nn.Module] = [self.network.encoder.blocks, self.network.matcher]
        if self.head is not None:
            new.append(self.head)
        optimizer = make_optimizer(self.optimizer_settings, backbone=self.network.encoder.backbone, new=new)
        schedule = LambdaLR(
            optimizer, lambda step: rate_factor(self.optimizer_settings, step, self.num_steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Scale the gradient down to the largest norm allowed.

        Raises:
            TrainingError: it is not finite; the step and the first parameter are named.
        """
        parameters = [p for p in self.parameters() if p.grad is not None]
        norm = float(nn.utils.clip_grad_norm_(parameters, self.optimizer_settings.clip_norm))
        # Float16 scales its loss and skips the steps that overflow: there such a gradient is part of the game.
        if not math.isfinite(norm) and self.settings.precision != "16-mixed":
            names = (
                n for n, p in self.named_parameters() if p.grad is not None and not p.grad.isfinite().all()
            )
            raise TrainingError(
                f"the gradient is not finite at step {self.global_step + 1}, first in {next(names, 'no parameter')}; "
                "the weights were not changed. Lower the learning rate in another folder; --weights takes over "
                "the best weights so far"
            )
        self.recent[-1]["gradient_norm"] = norm


class PretrainStage(StageModule):
    """Stage 1: cross-entropy over the base classes, and over the sub-actions of candidates where asked for."""

    head: BaseClassifier
    stage: PretrainSettings

    def __init__(self, *arguments: Any, stage: PretrainSettings, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.stage = stage

    def set_modes(self) -> None:
        self.train()
        if self.stage.freeze_batch_norm:
            _freeze_statistics(self.network.encoder.backbone)

    def losses(self, descriptors: Descriptors, batch: Batch) -> tuple[Tensor, Tensor]:
        logits, sub_actions = self.head(descriptors)
        loss = functional.cross_entropy(logits, batch["label"], label_smoothing=self.stage.label_smoothing)
        if sub_actions is not None:
            part = sub_action_loss(sub_actions, batch["going_on"], descriptors.windows)
            loss = loss + self.stage.sub_action_weight * part
        return loss, (logits.argmax(1) == batch["label"]).float().mean()


class MetaStage(StageModule):
    """Stage 2: cross-entropy of the matcher's scores in episodes, and of the base classes where asked for.

    Batch norms and dropout stay as in a test (inferred for the backbone, our choice for the rest).
    """

    stage: MetaSettings
    cosines = True

    def __init__(self, *arguments: Any, stage: MetaSettings, starts_fresh: bool, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.stage = stage
        self.starts_fresh = starts_fresh

    def set_modes(self) -> None:
        self.eval()

    def losses(self, descriptors: Descriptors, batch: Batch) -> tuple[Tensor, Tensor]:
        num_support = self.stage.way * self.stage.shot
        places = torch.arange(len(descriptors), device=batch["way"].device)
        support, query = places[:num_support], places[num_support:]
        logits = self.network.match(
            descriptors[support], batch["way"][support], descriptors[query], num_classes=self.stage.way
        ).logits
        truth = batch["way"][query]
        loss = functional.cross_entropy(logits, truth)
        if self.head is not None and self.stage.base_loss_weight > 0:
            base = functional.cross_entropy(self.head(descriptors)[0], batch["label"])
            loss = loss + self.stage.base_loss_weight * base
        return loss, (logits.argmax(1) == truth).float().mean()


def _freeze_statistics(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.eval()
