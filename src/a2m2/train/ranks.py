"""The processes that share one training: what they tell each other, and what only one of them does.

Processes are counted by rank. Rank 0 writes, validates and says how far things are; every other one only computes.
Batches are dealt in turn: of those that a step has, rank r takes number r, r + R, r + 2R, … of R ranks. With one
process nothing here does anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from lightning.fabric.plugins.environments import ClusterEnvironment, SLURMEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor

from a2m2.devices import find_device
from a2m2.errors import A2M2Error, ConfigError, RankLostError, TrainingError

T = TypeVar("T")

_PATIENCE = timedelta(hours=24)
"""How long processes wait for each other: a validation or the first reading of clips takes what it takes. A process
that ends is noticed at once, whatever this says."""


@dataclass(frozen=True)
class Ranks:
    """The place of this process among those that train.

    Attributes:
        rank: of this process, from 0.
        size: number of processes.
        local_rank: number of this process on its machine.
        local_size: processes on a machine, the same on all.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def gather(self, values: Tensor) -> list[Tensor]:
        """``values`` of every rank, in their order; without gradient. All ranks must ask."""
        if self.size == 1:
            return [values.detach()]
        everyone = [torch.empty_like(values) for _ in range(self.size)]
        with hearing():
            dist.all_gather(everyone, values.detach().contiguous())
        return everyone

    def share(self, value: T) -> list[T]:
        """A small ``value`` of every rank, in their order. All ranks must ask."""
        if self.size == 1:
            return [value]
        everyone: list[Any] = [None] * self.size
        with hearing():
            dist.all_gather_object(everyone, value)
        return everyone

    def from_first(self, call: Callable[[], T]) -> T:
        """What ``call`` returns on rank 0, where alone it is called; the others wait. All ranks must ask.

        Raises:
            A2M2Error: ``call`` did; the other ranks raise :class:`TrainingError` with its words.
        """
        if self.size == 1:
            return call()
        answer: list[Any] = [None, None]
        failure: A2M2Error | None = None
        if self.is_first:
            try:
                answer[0] = call()
            except A2M2Error as error:
                failure, answer[1] = error, str(error)
        with hearing():
            dist.broadcast_object_list(answer, src=0)
        if failure is not None:
            raise failure
        if answer[1] is not None:
            raise TrainingError(answer[1])
        result: T = answer[0]
        return result

    @contextmanager
    def one_a_machine_first(self) -> Iterator[None]:
        """One process of every machine goes first; the others find in the cache what it left there."""
        if self.local_rank > 0:
            self._meet()
        yield
        if self.local_rank == 0:
            self._meet()

    def _meet(self) -> None:
        if self.size > 1:
            with hearing():
                dist.barrier()

    def split(self, batches: int, *, key: str, size: str = "") -> None:
        """Check that a step of ``batches`` can be dealt evenly.

        Args:
            batches: in a step.
            key: setting that holds this number.
            size: setting that holds the clips of a batch, where there is one.

        Raises:
            ConfigError: they cannot be dealt evenly.
        """
        if batches % self.size:
            below = self.size * (batches // self.size)
            fitting = " or ".join(str(number) for number in (below, below + self.size) if number)
            whole = f" and {size} to the clips that one of them takes at a time" if size else ""
            raise ConfigError(
                f"{key} is {batches}, which {self.size} processes cannot share evenly: a step has as many batches "
                f"however many processes there are; set {key}={fitting}{whole}, or use another number of processes"
            )

    def trainer_options(self) -> dict[str, Any]:
        """What Lightning's trainer must know of them."""
        if self.size == 1:
            return {"devices": 1}
        strategy = DDPStrategy(
            cluster_environment=_Joined(self),
            # The matcher has no part in pre-training; statistics are this package's business, see Turns.
            find_unused_parameters=True,
            broadcast_buffers=False,
            timeout=_PATIENCE,
        )
        return {
            "devices": self.local_size,
            "num_nodes": self.size // self.local_size,
            "strategy": strategy,
            "use_distributed_sampler": False,
        }


ALONE = Ranks()
"""One process that trains by itself."""


def ranks_of(environment: Mapping[str, str]) -> Ranks:
    """The place that ``torchrun`` or SLURM's ``srun`` gave this process, or :data:`ALONE`.

    Raises:
        ConfigError: the machines have different numbers of processes.
    """
    if {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"} <= environment.keys():
        size = int(environment["WORLD_SIZE"])
        local_size = int(environment.get("LOCAL_WORLD_SIZE", size))
        rank, local_rank = int(environment["RANK"]), int(environment["LOCAL_RANK"])
    elif int(environment.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        size = int(environment["SLURM_STEP_NUM_TASKS"])
        local_size = size // int(environment.get("SLURM_STEP_NUM_NODES", "1"))
        rank, local_rank = int(environment["SLURM_PROCID"]), int(environment["SLURM_LOCALID"])
    else:
        return ALONE
    if size % local_size or local_rank >= local_size:
        raise ConfigError(
            f"{size} processes, {local_size} of them on this machine; start as many on every machine"
        )
    return Ranks(rank, size, local_rank, local_size) if size > 1 else ALONE


@contextmanager
def joined(accelerator: str) -> Iterator[Ranks]:
    """Join the other processes for the length of a ``with`` block, if this one was started as one of several.

    Args:
        accelerator: ``auto``, ``cpu``, or ``gpu`` or ``cuda``; GPUs talk by NCCL, everything else by gloo.

    Raises:
        ConfigError: no GPU where one is asked for, or fewer GPUs than processes on this machine.
        RankLostError: another process ended, at any time inside the block.
    """
    if accelerator == "cuda" or (accelerator == "gpu" and not torch.backends.mps.is_available()):
        find_device("cuda")
    ranks = ranks_of(os.environ)
    if ranks.size == 1:
        yield ranks
        return
    _name_the_meeting_place()
    gpus = torch.cuda.device_count() if accelerator != "cpu" else 0
    if accelerator in ("gpu", "cuda") and gpus < ranks.local_size:
        raise ConfigError(
            f"{ranks.local_size} processes on this machine, which shows each of them {gpus} GPUs; start one process "
            "a GPU, all of which must see all GPUs"
        )
    if 0 < gpus:
        torch.cuda.set_device(ranks.local_rank)
    with hearing():
        backend = "cpu:gloo,cuda:nccl" if gpus else "gloo"
        dist.init_process_group(backend, rank=ranks.rank, world_size=ranks.size, timeout=_PATIENCE)
    try:
        with hearing():
            yield ranks
    finally:
        dist.destroy_process_group()


@contextmanager
def hearing() -> Iterator[None]:
    """Turn what torch says of a process that is gone into :class:`RankLostError`."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or "gloo" in str(error).lower():
            raise RankLostError(
                "another process of this training ended or cannot be reached, and so all end; its own words say why. "
                "The same command with --resume goes on from the last checkpoint"
            ) from error
        raise


def _name_the_meeting_place() -> None:
    if "MASTER_ADDR" not in os.environ:
        slurm = SLURMEnvironment()
        os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = slurm.main_address, str(slurm.main_port)


class _Joined(ClusterEnvironment):
    """Tells Lightning where it is, so that it starts no processes."""

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self.ranks = ranks

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return os.environ["MASTER_ADDR"]

    @property
    def main_port(self) -> int:
        return int(os.environ["MASTER_PORT"])

    @staticmethod
    def detect() -> bool:
        return False

    def world_size(self) -> int:
        return self.ranks.size

    def set_world_size(self, size: int) -> None:
        """Already known."""

    def global_rank(self) -> int:
        return self.ranks.rank

    def set_global_rank(self, rank: int) -> None:
        """Already known."""

    def local_rank(self) -> int:
        return self.ranks.local_rank

    def node_rank(self) -> int:
        return self.ranks.rank // self.ranks.local_size
