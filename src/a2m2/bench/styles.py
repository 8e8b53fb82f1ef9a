"""The shipped network and frozen backbones on novel classes, in looks that its training had and in looks it never had.

    python -m a2m2.bench.styles --out runs/styles --backbone path/to/mobilenet_v2 --into docs/model-card.md

The classes are those of synth-v1's test split, and the figures' of the same seed; no training saw them. ``plain`` and
``varied`` are looks of the training, at 96 px; ``lines``, ``hatched`` and ``camouflage`` are not, and neither are their
160 px. All rows of a set answer the same episodes. Frozen backbones are fitted, without labels, on clips of the set's
train split. Interrupted, the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a2m2.bench.figures import command, from_markdown, write_figures
from a2m2.bench.lists import write_list
from a2m2.bench.marks import fill_marks
from a2m2.bench.options import add_out, measurement_parser
from a2m2.config import load
from a2m2.eval.evaluate import evaluate
from a2m2.eval.stats import MethodSummary, read_summary
from a2m2.progress import Progress, show_progress
from a2m2.settings import EvaluateSettings
from a2m2.synth import SynthConfig, generate
from a2m2.weights import MOTION_SMALL

SEEN = (("sets", "plain"), ("sequences", "plain"), ("figures", "varied"))
UNSEEN = tuple(
    (stratum, style) for style in ("lines", "hatched", "camouflage") for stratum in ("sequences", "figures")
)
FIT_CLIPS = 3


@dataclass(frozen=True)
class Look:
    """Accuracies in one set, by what was asked and how.

    Attributes:
        stratum, style: of the set.
        rows: name of the row to its figures.
    """

    stratum: str
    style: str
    rows: dict[str, MethodSummary]


def render(out: Path, stratum: str, style: str, *, clips: int, progress: Progress) -> Path:
    """Test clips, and a few of the train split to fit on; returns the list of both."""
    size = 96 if (stratum, style) in SEEN else 160
    for split, number in (("train", FIT_CLIPS), ("test", clips)):
        name = f"{stratum}-{style}-{split}"
        config = SynthConfig.build(
            {"stratum": stratum, "style": style, "size": size, "clips_per_class": number, "splits": [split]}
        )

        def report(done: int, total: int, name: str = name) -> None:
            progress(f"rendering {name}", done, total)

        generate(out / name, config, progress=report)
    path = out / f"{stratum}-{style}.csv"
    write_list(path, sorted(out.glob(f"{stratum}-{style}-*/*/*/*.mp4")))
    return path


def compare(
    out: Path,
    stratum: str,
    style: str,
    *,
    backbones: Sequence[str],
    options: argparse.Namespace,
    progress: Progress,
) -> Look:
    """Evaluate all rows on one set."""
    data = render(out / "clips", stratum, style, clips=options.clips, progress=progress)
    rows: dict[str, MethodSummary] = {}
    asked: list[tuple[str, dict[str, Any], dict[str, str]]] = [
        ("shipped", {"weights": [options.weights]}, {"": "shipped network, A²"})
    ]
    for backbone in backbones:
        name = Path(backbone).name
        asked.append(
            (
                name,
                {
                    "backbone": {"source": backbone},
                    "methods": ["a2m2_net", "mean_feature"],
                    "fit_max_clips": 64 * FIT_CLIPS,
                    "video": {"resize": 224, "crop": 224},
                },
                {"a2m2_net": f"{name}, A²", "mean_feature": f"{name}, mean feature"},
            )
        )
    for name, settings, named in asked:
        folder = out / f"{stratum}-{style}-{name}-{options.shot}-shot"
        if not (folder / "summary.json").is_file():
            evaluate(
                load(
                    EvaluateSettings,
                    data=str(data),
                    protocol={"shot": options.shot, "episodes": options.episodes},
                    **settings,
                ),
                out=folder,
                cache=out / "cache",
                progress=progress,
                num_pictures=0,
            )
        for method, figures in read_summary(folder).methods.items():
            rows[named.get(method, named.get("", method))] = figures
    return Look(stratum, style, rows)


def table(looks: Sequence[Look], *, shot: int) -> str:
    """Markdown, a row a set."""
    names = list(looks[0].rows)
    lines = [
        f"| 5-way {shot}-shot, accuracy % | {' | '.join(names)} |",
        "|---|" + "---|" * len(names),
    ]
    for look in looks:
        cells = " | ".join(
            f"{100 * look.rows[name].accuracy:.1f} ± {100 * look.rows[name].interval95:.1f}" for name in names
        )
        seen = "seen" if (look.stratum, look.style) in SEEN else "unseen"
        lines.append(f"| {look.stratum}, {look.style} ({seen}) | {cells} |")
    unseen = [look for look in looks if (look.stratum, look.style) not in SEEN]
    if unseen:
        means = [sum(look.rows[name].accuracy for look in unseen) / len(unseen) for name in names]
        lines.append(f"| mean over unseen | {' | '.join(f'{100 * mean:.1f}' for mean in means)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = measurement_parser("styles", __doc__)
    add_out(parser, "clips, cache and results", default="runs/styles")
    parser.add_argument(
        "--weights", default=MOTION_SMALL, help="a trained network; the shipped one if not given"
    )
    parser.add_argument("--backbone", action="append", help="repeatable; motion-filters when not given")
    parser.add_argument("--shot", type=int, default=1)
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--clips", type=int, default=15, help="test clips of each class")
    parser.add_argument("--seen", action="store_true", help="only the looks that the training had")
    parser.add_argument("--into", type=Path, help="Markdown file with marks 'styles-SHOT'")
    options = parser.parse_args(arguments)
    with show_progress() as progress:
        looks = [
            compare(
                options.out,
                stratum,
                style,
                backbones=options.backbone or ["motion-filters"],
                options=options,
                progress=progress,
            )
            for stratum, style in (SEEN if options.seen else SEEN + UNSEEN)
        ]
    text = table(looks, shot=options.shot)
    print(text)
    write_figures(
        options.json, [from_markdown("Novel classes in many looks", text, command("styles", arguments))]
    )
    if options.into is not None:
        fill_marks(options.into, {f"styles-{options.shot}": text})


if __name__ == "__main__":
    main()
