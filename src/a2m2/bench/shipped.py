"""Trains the network that is shipped with the package, on nothing but rendered clips.

    python -m a2m2.bench.shipped --out runs/weights

Renders clips of a few thousand words of motion (shapes in sets and sequences, jointed bodies, hands and arms) in as
many looks as there are, pre-trains on all classes, trains on as many episodes as the configuration says (none as yet),
and copies the weights to the package. Classes
of synth-v1's validation and test splits, and what they are backwards or permuted, take no part; validation is on the
former. Interrupted, the same command goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from a2m2.bench.lists import write_list
from a2m2.bench.options import add_out, program_parser
from a2m2.checks import atomic_path
from a2m2.config import load
from a2m2.progress import Progress, show_progress
from a2m2.synth import ClassDefinition, SynthConfig, draw_classes, family_of, generate
from a2m2.train.jobs import TrainJob, run_jobs
from a2m2.train_settings import TrainSettings
from a2m2.weights import FILE_NAME, MOTION_SMALL

PRETRAINING = ("video.num_frames=8", "video.resize=48", "video.crop=48")
"""What pre-training sees, instead of the configuration's frames: it is then several times as fast."""

HELD_OUT_SEED = 1
"""Seed of synth-v1, whose validation and test classes stay unseen."""


@dataclass(frozen=True)
class Portion:
    """One data set of the training material.

    Attributes:
        name: of its folder.
        config: its settings.
    """

    name: str
    config: SynthConfig


def portions(clips: float = 1.0) -> list[Portion]:
    """All data sets; ``clips`` scales the number of clips of each class."""
    result: list[Portion] = []

    def add(stratum: str, style: str, seed: int, timing: float, number: int, split: str = "train") -> None:
        # Seeds from 10 on were added when more clips turned out to help; fewer frames do, of which 8 are seen.
        frames = 16 if seed >= 10 else 24
        config = SynthConfig.build(
            {
                "stratum": stratum,
                "style": style,
                "seed": seed,
                "timing": timing,
                "clips_per_class": max(2, round(clips * number)),
                "splits": [split],
                "size": 80,
                "num_frames": frames,
                "fps": frames / 2.0,
            }
        )
        result.append(Portion(f"{split}-{stratum}-{style}-{seed}", config))

    for seed in (2, 3, 4, 5, *range(10, 16), *range(20, 27)):
        timing = 1.0 if seed % 2 == 0 else 0.4
        for stratum in ("sets", "sequences"):
            add(stratum, "varied", seed, timing, 14)
            if seed in (2, 3, *range(10, 14), *range(20, 24)):
                add(stratum, "plain", seed, 1.0 - 0.4 * (seed % 2), 10)
    for seed in (*range(2, 8), *range(10, 18), *range(20, 27)):
        add("figures", "varied", seed, (1.0, 0.6, 0.2)[seed % 3], 16)
    for stratum in ("sets", "sequences", "figures"):
        add(stratum, "varied", HELD_OUT_SEED, 0.8, 10, "val")
    return result


def render(out: Path, *, clips: float, num_workers: int, progress: Progress) -> Path:
    """Render all portions; returns the list of their clips."""
    parts = portions(clips)
    for portion in parts:

        def report(done: int, total: int, name: str = portion.name) -> None:
            progress(f"rendering {name}", done, total)

        generate(out / portion.name, portion.config, num_workers=num_workers, progress=report)
    path = out / "clips.csv"
    write_list(path, _clips(out, parts), class_name=_named_by_stratum)
    return path


def classes_of(portion: Portion) -> list[ClassDefinition]:
    """The classes of a portion; training classes of held-out families are left out."""
    stratum = portion.config.stratum
    held_out = {family_of(c) for c in draw_classes(stratum, HELD_OUT_SEED) if c.split != "train"}
    return [
        definition
        for definition in draw_classes(stratum, portion.config.seed)
        if definition.split in portion.config.splits
        and (definition.split != "train" or family_of(definition) not in held_out)
    ]


def _clips(out: Path, parts: Sequence[Portion]) -> Iterator[Path]:
    for portion in parts:
        for definition in classes_of(portion):
            yield from sorted((out / portion.name / definition.split / definition.name).glob("*.mp4"))


def _named_by_stratum(clip: Path) -> str:
    """Clips of one class in several portions are of one class."""
    return f"{clip.parts[-4].split('-')[1]}: {clip.parts[-2]}"


def train(clips: Path, out: Path, *, config: Path, overrides: Sequence[str], progress: Progress) -> Path:
    """Both stages; returns the folder of the trained network."""
    first, second = out / "pretrained", out / "trained"

    def settings(*more: str) -> TrainSettings:
        return load(TrainSettings, config, [*more, *overrides], data=str(clips))

    run_jobs(
        [
            TrainJob("pre-training", settings(*PRETRAINING), "pretrain", first),
            TrainJob("training", settings(), "meta", second, first),
        ],
        num_workers=1,
        cache=out / "cache",
        progress=progress,
    )
    return second


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = program_parser("shipped", __doc__)
    add_out(parser, "clips and trainings")
    parser.add_argument(
        "--clips", type=float, default=1.0, help="factor on the number of clips of each class"
    )
    parser.add_argument("--set", action="append", default=[], help="override the training's settings")
    parser.add_argument("--workers", type=int, default=2, help="processes that render")
    parser.add_argument("--into", type=Path, help="folder to copy the weights to")
    options = parser.parse_args(arguments)
    config = Path(str(files("a2m2") / "configs" / f"{MOTION_SMALL}.yaml"))
    with show_progress() as progress:
        clips = render(
            options.out / "clips", clips=options.clips, num_workers=options.workers, progress=progress
        )
        trained = train(clips, options.out, config=config, overrides=options.set, progress=progress)
    weights = trained / FILE_NAME
    if options.into is not None:
        with atomic_path(options.into / f"{MOTION_SMALL}.safetensors") as temporary:
            temporary.write_bytes(weights.read_bytes())
    print(weights)


if __name__ == "__main__":
    main()
