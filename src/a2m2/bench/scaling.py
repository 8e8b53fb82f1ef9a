"""What a large training and a large collection would take: bytes, hours and cost, from measured clips and assumptions.

    python -m a2m2.bench.scaling
    python -m a2m2.bench.scaling --clips 10000000 --cores 1024 --gpus 8 --json scaling.json

Measured here: processor time and bytes of one rendered clip of 320×240 on its way into an index, one thread; and what
matching costs in one training episode. Assumed, and printed: everything about machines that are not here. Docs:
docs/scaling.md.
"""

from __future__ import annotations

import math
import os
import pickle
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from a2m2.bench.figures import FigureTable, command, write_figures
from a2m2.bench.options import measurement_parser
from a2m2.bench.recognizer_speed import write_clips
from a2m2.config import load
from a2m2.data import content_digest
from a2m2.library import IndexSettings, index_collection
from a2m2.library.eyes import describe_alone, read_eyes
from a2m2.library.ray_engine import CLIPS_A_TASK
from a2m2.library.shards import rows_of, write_shard
from a2m2.model import FewShotModel
from a2m2.networks import build_network
from a2m2.recognize.clips import sample_clip
from a2m2.reproduce.cost import GPU_FLOPS, backbone_cost, cost_of_training
from a2m2.structures import Descriptors
from a2m2.train.stages import build_stage
from a2m2.train_settings import Stage, TrainSettings

_REPEATS = 3


@dataclass(frozen=True)
class Assumed:
    """What is not measured.

    Attributes:
        clips: in the collection.
        clip_bytes: of a video file.
        cores: of the cluster, each as fast as one of this machine.
        sketch_bytes: of the first pass, in a large index.
        task: seconds that a Ray driver has with a task of eight clips, beside what is measured.
        core_hour, gpu_hour, terabyte_month: prices.
        gpus: that train.
        link: bytes a second between two GPUs of a machine.
        disk: bytes a second that the clips' storage gives in all.
    """

    clips: int
    clip_bytes: float
    sketch_bytes: float
    cores: int
    task: float
    core_hour: float
    gpu_hour: float
    terabyte_month: float
    gpus: int
    link: float
    disk: float


@dataclass(frozen=True)
class Measured:
    """One clip, milliseconds of one core and bytes.

    Attributes:
        digest, decode, describe, take_in: on its way into an index; the last is the driver's with a result.
        shard_bytes: of an index.
        driver_bytes: of a driver's memory that lists it.
        match: an episode's matching and its gradient, of the configuration that is planned.
    """

    digest: float
    decode: float
    describe: float
    take_in: float
    shard_bytes: float
    driver_bytes: float
    match: float


def measure(settings: TrainSettings, *, way: int, each: int) -> Measured:
    """Index ``way`` × ``each`` rendered clips, and match one episode of ``settings``."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        paths = write_clips(folder / "clips", way=way, clips=each)
        record = index_collection(
            folder / "clips",
            folder / "index",
            settings=IndexSettings(num_threads=1),
            cache=folder / "cache",
            progress=lambda what, done, total: None,
        )
        encoder = read_eyes(folder / "index")
        clips = [sample_clip(path, encoder.video) for path in paths]
        results = [pickle.dumps(rows_of(describe_alone(encoder, clip))) for clip in clips]
        names = [f"{number:06d}" for number in range(len(clips))]

        def take_in() -> None:
            write_shard(folder / "taken", 0, names, [pickle.loads(result) for result in results])

        return Measured(
            digest=_each(lambda: [content_digest(path) for path in paths], len(paths)),
            decode=_each(lambda: [sample_clip(path, encoder.video) for path in paths], len(paths)),
            describe=_each(lambda: [describe_alone(encoder, clip) for clip in clips], len(paths)),
            take_in=_each(take_in, len(paths)),
            shard_bytes=record.shard_bytes,
            driver_bytes=_driver_bytes(),
            match=_match_milliseconds(settings),
        )


def collection_table(here: Measured, assumed: Assumed) -> FigureTable:
    """A collection on a cluster, step by step."""
    clips = assumed.clips
    scheduling = 1e3 * assumed.task / CLIPS_A_TASK
    rows = [
        (name, milliseconds, clips * milliseconds / 3.6e6, clips * milliseconds / 3.6e6 / cores)
        for name, milliseconds, cores in (
            ("digest: driver", here.digest, 1),
            ("decode: workers", here.decode, assumed.cores),
            ("describe: workers", here.describe, assumed.cores),
            ("hand out tasks: driver", scheduling, 1),
            ("take in and write: driver", here.take_in, 1),
        )
    ]
    core_hours = clips * (here.decode + here.describe) / 3.6e6
    hours_to_read = clips * assumed.clip_bytes / assumed.disk / 3600
    terabytes = clips * (here.shard_bytes + assumed.sketch_bytes) / 1e12
    return FigureTable(
        f"{clips:,} clips on {assumed.cores:,} cores",
        ("step", "CPU ms a clip", "core hours", "hours"),
        tuple(rows),
        note=(
            f"Workers: {core_hours:,.0f} core hours, {core_hours * assumed.core_hour:,.0f} at "
            f"{assumed.core_hour} each. Read: {clips * assumed.clip_bytes / 1e12:.1f} TB, {hours_to_read:.2f} hours at "
            f"{assumed.disk / 1e9:.0f} GB/s, and as much again for digests. Written: "
            f"{clips * here.shard_bytes / 1e9:.0f} GB of shards ({here.shard_bytes:.0f} bytes a clip) and "
            f"{clips * assumed.sketch_bytes / 1e9:.0f} GB of first pass ({assumed.sketch_bytes:.0f}), kept for "
            f"{terabytes * assumed.terabyte_month:.0f} a month. The driver's lists: "
            f"{clips * here.driver_bytes / 1e9:.0f} GB of memory ({here.driver_bytes:.0f} bytes a clip). Assumed: "
            f"{assumed.clip_bytes / 1e3:.0f} kB a clip, {assumed.sketch_bytes:.0f} bytes of its sketch, "
            f"{1e3 * assumed.task:.0f} ms of the driver a task."
        ),
    )


def training_table(settings: TrainSettings, here: Measured, assumed: Assumed) -> FigureTable:
    """Both stages on several GPUs: what a step computes, sends and waits for."""
    backbone = backbone_cost(settings)
    assert backbone is not None
    parameters = backbone.parameters
    gpus = assumed.gpus
    send = 2 * (gpus - 1) / gpus * 4 * parameters / assumed.link
    meta = settings.meta
    episode = meta.way * (meta.shot + meta.query)
    stages: tuple[tuple[Stage, int, int, float], ...] = (
        ("pretrain", settings.pretrain.steps, settings.pretrain.batch * settings.pretrain.accumulate, 0.0),
        ("meta", meta.steps, meta.episodes_per_step * episode, meta.episodes_per_step * here.match / 1e3),
    )
    rows = []
    for stage, steps, clips, matching in stages:
        cost = cost_of_training(settings, stage, validation_clips=0)
        assert cost.gpu_hours is not None
        compute = cost.gpu_hours * 3600 / steps
        step = (compute + matching) / gpus + send
        looks = cost_of_training(settings, stage, validation_clips=settings.validation.max_clips)
        assert looks.gpu_hours is not None
        validations = math.ceil(steps / settings.validation.every)
        pairs = settings.validation.query / meta.query  # of those of a training episode
        waiting = looks.gpu_hours - cost.gpu_hours
        waiting += validations * settings.validation.episodes * pairs * here.match / 3.6e6
        hours = steps * step / 3600 + waiting
        rows.append(
            (
                stage,
                steps,
                clips,
                1e3 * compute / gpus,
                1e3 * matching / gpus,
                1e3 * send,
                waiting,
                hours,
                gpus * hours * assumed.gpu_hour,
                clips / step * here.decode / 1e3,
            )
        )
    return FigureTable(
        f"{settings.data}: both stages on {gpus} GPUs",
        (
            "stage",
            "steps",
            "clips a step",
            "compute ms",
            "match ms",
            "send ms",
            "validation h",
            "hours",
            "cost",
            "cores that decode",
        ),
        tuple(rows),
        note=(
            f"Assumed: {GPU_FLOPS / 1e12:.0f} TFLOP/s a GPU in training, {assumed.link / 1e9:.0f} GB/s between GPUs, "
            f"{assumed.gpu_hour} a GPU hour. Sent: 2 (R - 1) / R of {4 * parameters / 1e6:.0f} MB of gradients a step. "
            "Matching is measured here, on one core, gradient included. Rank 0 validates while the others wait."
        ),
    )


def _each(work: Callable[[], object], count: int) -> float:
    """Fastest of some repeats, milliseconds of processor time a clip."""
    spent = []
    for _ in range(_REPEATS):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return 1e3 * min(spent) / count


def _driver_bytes() -> float:
    """Memory of the lists that a driver keeps of a collection: names, paths, digests, and what goes to workers."""
    count = 20_000
    tracemalloc.start()
    paths = {
        f"folder{n % 1000:04d}/clip{n:08d}.mp4": Path(f"/clips/folder{n % 1000:04d}/clip{n:08d}.mp4")
        for n in range(count)
    }
    digests = {name: f"{number:032x}" for number, name in enumerate(paths)}
    contents = {digest: paths[name] for name, digest in digests.items()}
    items = [
        {"digest": digest, "path": os.fsencode(path), "folder": b"/index", "cache": b"/cache"}
        for digest, path in contents.items()
    ]
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return size / len(items)


def _match_milliseconds(settings: TrainSettings) -> float:
    """Loss of an episode and its gradient, given the descriptors."""
    meta = settings.meta
    count = meta.way * (meta.shot + meta.query)
    network: FewShotModel = build_network(settings.network(), seed=0)
    stage = build_stage(settings, "meta", network, None, num_steps=1, describe=str, starts_fresh=False)
    stage.set_modes()
    with torch.no_grad():
        seen = network.encode(torch.rand(1, settings.video.num_frames, 3, 64, 64))
    generator = torch.Generator().manual_seed(0)
    ways = torch.arange(meta.way)
    batch = {"way": torch.cat([ways.repeat_interleave(meta.shot), ways.repeat_interleave(meta.query)])}

    def loss() -> None:
        values = torch.randn(count, *seen.values.shape[1:], generator=generator).requires_grad_()
        stage.losses(_as_clips(seen, values), batch)[0].backward()

    return _each(loss, 1)


def _as_clips(seen: Descriptors, values: torch.Tensor) -> Descriptors:
    count = len(values)
    return Descriptors(
        values=values,
        spans=seen.spans.expand(count, -1, -1),
        windows=seen.windows,
        scale=seen.scale,
        energy=seen.energy.expand(count, -1),
        mean=torch.zeros(values.shape[-1]),
        blocks=seen.blocks,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = measurement_parser("scaling", __doc__)
    parser.add_argument("--config", type=Path, default=Path("ssv2-full"), help="training that is planned")
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--link", type=float, default=100.0, help="GB/s between GPUs")
    parser.add_argument("--clips", type=int, default=10_000_000, help="of the collection that is planned")
    parser.add_argument("--clip-kilobytes", type=float, default=100.0)
    parser.add_argument("--sketch-bytes", type=float, default=3260.0, help="that docs/search.md tells")
    parser.add_argument("--cores", type=int, default=1024)
    parser.add_argument("--task", type=float, default=5.0, help="ms of a Ray driver a task of eight clips")
    parser.add_argument("--disk", type=float, default=2.0, help="GB/s of the storage of the clips")
    parser.add_argument("--core-hour", type=float, default=0.04, help="price")
    parser.add_argument("--gpu-hour", type=float, default=2.5, help="price")
    parser.add_argument("--terabyte-month", type=float, default=23.0, help="price")
    parser.add_argument("--way", type=int, default=4, help="classes of the clips that are measured")
    parser.add_argument("--each", type=int, default=3, help="clips of each")
    options = parser.parse_args(arguments)
    settings = load(
        TrainSettings, options.config, ["backbone.source=random:resnet50"], data=options.config.stem
    )
    assumed = Assumed(
        clips=options.clips,
        clip_bytes=1e3 * options.clip_kilobytes,
        sketch_bytes=options.sketch_bytes,
        cores=options.cores,
        task=options.task / 1e3,
        core_hour=options.core_hour,
        gpu_hour=options.gpu_hour,
        terabyte_month=options.terabyte_month,
        gpus=options.gpus,
        link=1e9 * options.link,
        disk=1e9 * options.disk,
    )
    here = measure(settings, way=options.way, each=options.each)
    ran = command("scaling", arguments)
    tables = [
        collection_table(here, assumed).measured_by(ran),
        training_table(settings, here, assumed).measured_by(ran),
    ]
    print("\n\n".join(table.text() for table in tables))
    write_figures(options.json, tables, measured=vars(here), assumed=vars(assumed))


if __name__ == "__main__":
    main()
