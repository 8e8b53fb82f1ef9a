"""What a GPU is worth beside the cores of the same machine: training steps, encoding, episodes.

Examples::

    a2m2 bench gpu
    a2m2 bench gpu --json gpu.json
    a2m2 bench gpu --configs motion-small --cpu-steps 2 --cpu-clips 8 --episodes 100

Frames are noise and descriptors simulated: time depends on their size, not on what they show. Where there is no GPU its
columns stay empty. With an H100 and 16 cores it takes about two minutes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import torch

from a2m2.bench.episodes import Protocol, simulated_descriptors
from a2m2.bench.figures import Cell, FigureTable, command, cores, write_figures
from a2m2.bench.options import measurement_parser
from a2m2.bench.train_step import run as train_steps
from a2m2.config import load
from a2m2.devices import CPU, GPU_CLIPS, encoding, find_device, stacked
from a2m2.eval.runner import Contestant, run_episodes
from a2m2.eval.sources import FixedSource
from a2m2.eval.threads import map_in_threads
from a2m2.eval.trained import describe_clips
from a2m2.matching import A2Matcher
from a2m2.networks import build_network
from a2m2.structures import Clip, Descriptors
from a2m2.train_settings import Stage, TrainSettings
from a2m2.video import prepare
from a2m2.weights import SavedNetwork

BACKBONES = {"motion-small": "small-cnn", "resnet50": "random:resnet50"}
"""Configurations, and what stands in for weights that are elsewhere."""

STAGES: tuple[Stage, ...] = ("pretrain", "meta")
SMALLER = ("pretrain.batch=4", "meta.query=1")
"""Batches that cores can do in seconds."""

PROTOCOLS = (
    (Protocol(5, 1, 1, 2400), False),
    (Protocol(5, 1, 5, 2400), False),
    (Protocol(5, 5, 5, 480), False),
    (Protocol(24, 1, 5, 2400), False),
    (Protocol(5, 1, 5, 480), True),
    (Protocol(24, 1, 5, 2400), True),
)
"""Episodes, and whether each pair of videos is scored once for all of them."""

_SHARED = 5
"""Times as many episodes where pairs are shared."""

_BLOCK = 50
"""Episodes that a thread takes at a time: so many for each before the clock runs."""

Encode = Callable[[list[Clip]], object]


def settings_of(config: str, *overrides: str) -> TrainSettings:
    """A configuration with a backbone that needs no files."""
    return load(
        TrainSettings, Path(config), [f"backbone.source={BACKBONES[config]}", *overrides], data="noise"
    )


def training(
    configs: Sequence[str], gpu: torch.device | None, *, cpu_steps: int, gpu_steps: int
) -> FigureTable:
    """Milliseconds of a training step of either stage."""
    rows = []
    for config in configs:
        for stage in STAGES:
            single, half = (
                settings_of(config, *SMALLER, f"precision={kind}") for kind in ("32-true", "bf16-mixed")
            )
            here = _step(single, stage, "cpu", cpu_steps)
            there = mixed = None
            if gpu is not None:
                there, mixed = (_step(kind, stage, "cuda", gpu_steps) for kind in (single, half))
            rows.append((f"{config}, {stage}", here, there, mixed, _ratio(here, there), _ratio(here, mixed)))
    return FigureTable(
        "One training step",
        ("configuration", "CPU, ms", "GPU, ms", "GPU bf16, ms", "times faster", "bf16 times faster"),
        tuple(rows),
        note=f"One batch of 4 clips, or one episode of 5 ways, 1 shot, 1 query; medians of {cpu_steps - 1} and "
        f"{gpu_steps - 1} steps after a first. float32 but for 'bf16' (bf16-mixed); here torch rounds factors of "
        f"convolutions on a GPU to TF32. CPU: {cores()} cores.",
    )


def _step(settings: TrainSettings, stage: Stage, device: str, steps: int) -> float:
    seconds: list[float] = train_steps(settings, stage, steps=steps, device=device)["seconds"]
    return 1e3 * median(seconds[1:])


def encoding_rates(
    configs: Sequence[str], gpu: torch.device | None, *, cpu_clips: int, gpu_clips: int
) -> FigureTable:
    """Milliseconds a clip from frames to descriptors, in float32."""
    rows = []
    for config in configs:
        settings = settings_of(config).network()
        saved = SavedNetwork(Path(config), build_network(settings).eval(), settings, {}, config)
        clip = _noise(settings.video.num_frames)
        ways: dict[str, Encode] = {
            "from decoded frames": lambda some, saved=saved: describe_clips(saved, some),  # type: ignore[misc]
            "encoder alone": _prepared(saved, clip),
        }
        times: dict[str, list[float | None]] = {}
        for device, number in ((CPU, cpu_clips), (gpu, gpu_clips)):
            if device is not None:
                saved.network.encoder.to(device)
            for name, encode in ways.items():
                taken = None if device is None else _ms_a_clip(encode, clip, number, device)
                times.setdefault(name, []).append(taken)
        rows += [(f"{config}, {name}", *taken, _ratio(*taken)) for name, taken in times.items()]
    return FigureTable(
        "Encoding",
        ("network", "CPU, ms a clip", "GPU, ms a clip", "times faster"),
        tuple(rows),
        note=f"float32, convolutions too. {cpu_clips} clips one by one on {cores()} cores, {gpu_clips} clips "
        f"{GPU_CLIPS} at a time on the GPU, as many threads as cores for either. 'From decoded frames': 240 × 320 "
        "pixels are scaled and cut by these threads first, and descriptors brought back.",
    )


def _noise(num_frames: int) -> Clip:
    generator = torch.Generator().manual_seed(0)
    return Clip(
        torch.randint(0, 256, (num_frames, 3, 240, 320), generator=generator, dtype=torch.uint8),
        torch.arange(num_frames, dtype=torch.float64) / 4,
        torch.arange(num_frames),
        num_frames / 4,
    )


def _prepared(saved: SavedNetwork, clip: Clip) -> Encode:
    """Encodes frames that lie where they are needed."""
    video = saved.settings.video
    frames = prepare(clip.frames, resize=video.resize, crop=video.crop)
    kept: dict[tuple[str, int], torch.Tensor] = {}

    @torch.inference_mode()
    def encode(clips: list[Clip]) -> Descriptors:
        device, number = saved.network.encoder.backbone.device, len(clips)
        key = (device.type, number)
        if key not in kept:
            kept[key] = stacked([frames] * number, device).to(device)
        seconds, duration = clip.pts_seconds.expand(number, -1), torch.full((number,), clip.duration_seconds)
        with encoding(device):
            return saved.network.encode(kept[key], seconds, duration)

    return encode


def _ms_a_clip(encode: Encode, clip: Clip, number: int, device: torch.device) -> float:
    size = 1 if device.type == "cpu" else GPU_CLIPS
    batches = [[clip] * size] * max(1, number // size)

    def all_of_them(batches: Sequence[list[Clip]]) -> float:
        start = time.perf_counter()
        for _ in map_in_threads(encode, batches, num_threads=cores()):
            pass
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    all_of_them(batches[: cores()])
    return 1e3 * all_of_them(batches) / (size * len(batches))


def episode_rates(gpu: torch.device | None, *, num_episodes: int) -> FigureTable:
    """Milliseconds an episode, from descriptors in memory to records."""
    whole = simulated_descriptors(max(protocol.videos for protocol, _ in PROTOCOLS), seed=0)
    rows: list[tuple[Cell, ...]] = []
    for protocol, share in PROTOCOLS:
        number = num_episodes * (_SHARED if share else 1)
        source = FixedSource(whole[torch.arange(protocol.videos)])
        contestant = Contestant("a2", source, A2Matcher(num_threads=1))
        timed = partial(_ms_an_episode, contestant, protocol)
        timed(_BLOCK * cores(), CPU, share=False)
        here, lines = timed(number, CPU, share=share)
        there: float | None = None
        same: Cell = None
        if gpu is not None:
            timed(_BLOCK * cores(), gpu, share=False)
            there, others = timed(number, gpu, share=share)
            same = "yes" if lines == others else "NO"
        name = f"{protocol}{', pairs shared' if share else ''}"
        rows.append((name, number, here, there, _ratio(here, there), same))
    return FigureTable(
        "Evaluation from descriptors",
        ("episodes", "number", "CPU, ms each", "GPU, ms each", "times faster", "same records"),
        tuple(rows),
        note=f"n = {whole.values.shape[1]}, D = {whole.values.shape[2]}, {cores()} threads. GPU: cosines there, "
        "transport on the cores. 'Pairs shared': each pair of videos is scored once for all episodes.",
    )


def _ms_an_episode(
    contestant: Contestant, protocol: Protocol, number: int, device: torch.device, *, share: bool
) -> tuple[float, list[str]]:
    """And the records."""
    start = time.perf_counter()
    records = run_episodes(
        [contestant],
        protocol.sampler().episode,
        number,
        num_threads=cores(),
        share=share,
        device=device,
    )
    lines = [record.to_line() for record in records]
    return 1e3 * (time.perf_counter() - start) / number, lines


def _ratio(slow: float | None, fast: float | None) -> float | None:
    return None if slow is None or fast is None else slow / fast


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    options = _parser().parse_args(arguments)
    called = command("gpu", arguments)
    found = find_device("auto")
    gpu = None if found.type == "cpu" else found
    name = None if gpu is None else torch.cuda.get_device_name()
    print(f"GPU: {name or 'none that torch can use; its columns stay empty'}\n", flush=True)
    measures: list[Callable[[], FigureTable]] = [
        lambda: training(options.configs, gpu, cpu_steps=options.cpu_steps, gpu_steps=options.gpu_steps),
        lambda: encoding_rates(
            options.configs, gpu, cpu_clips=options.cpu_clips, gpu_clips=options.gpu_clips
        ),
        lambda: episode_rates(gpu, num_episodes=options.episodes),
    ]
    tables = []
    for measure in measures:
        tables.append(measure().measured_by(called))
        print(f"{tables[-1].text()}\n", flush=True)
    write_figures(options.json, tables, gpu=name)


def _parser() -> argparse.ArgumentParser:
    parser = measurement_parser("gpu", __doc__)
    parser.add_argument(
        "--configs", nargs="*", choices=BACKBONES, default=list(BACKBONES), help="of networks (all)"
    )
    parser.add_argument("--cpu-steps", type=int, default=2, help="training steps, 2 or more, on the CPU (2)")
    parser.add_argument("--gpu-steps", type=int, default=21, help="on the GPU (21)")
    parser.add_argument("--cpu-clips", type=int, default=16, help="clips that the CPU encodes (16)")
    parser.add_argument("--gpu-clips", type=int, default=512, help="clips that the GPU encodes (512)")
    parser.add_argument(
        "--episodes", type=int, default=2000, help="episodes, five times as many shared (2000)"
    )
    return parser


if __name__ == "__main__":
    main()
