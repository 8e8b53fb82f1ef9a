"""The figures of docs/results.md: synth-v1 at both ends of each knob, one backbone, 10,000 paired episodes.

Example::

    python -m a2m2.bench.results --out runs/results --backbone motion-filters --pixels 96
    python -m a2m2.bench.results --out runs/results --backbone path/to/mobilenet_v2 --into docs/results.md

Renders what is missing, evaluates, and puts the tables between the marks ``NAME-SET`` of the Markdown file, NAME being
the last part of the backbone's name. Interrupted, the same command goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from a2m2.bench.marks import fill_marks
from a2m2.bench.options import add_out, program_parser
from a2m2.bench.tables import markdown
from a2m2.config import load
from a2m2.eval.evaluate import evaluate
from a2m2.settings import EvaluateSettings
from a2m2.synth import SynthConfig, generate

SETS = {
    "sets-timing-0": {"stratum": "sets", "timing": 0.0, "order": 0.0},
    "sets-timing-1-order-1": {"stratum": "sets", "timing": 1.0, "order": 1.0},
    "sequences-timing-0": {"stratum": "sequences", "timing": 0.0},
    "sequences-timing-1": {"stratum": "sequences", "timing": 1.0},
}
METHODS = ("a2m2_net", "diagonal", "protonet", "a2_first_order", "mean_feature")
CLIPS_PER_CLASS = 30
FIT_CLIPS = 320


def run(name: str, *, backbone: str, pixels: int, shot: int, episodes: int, out: Path) -> Path:
    """Render and evaluate one set; returns its results folder."""
    config = SynthConfig.build(
        {**SETS[name], "clips_per_class": CLIPS_PER_CLASS, "splits": ["train", "test"]}
    )
    data = out / "clips" / name
    print(f"{name}: rendering", flush=True)
    generate(data, config)
    settings = load(
        EvaluateSettings,
        data=str(data),
        methods=METHODS,
        fit_max_clips=FIT_CLIPS,
        video={"resize": pixels, "crop": pixels},
        backbone={"source": backbone},
        protocol={"shot": shot, "episodes": episodes},
    )
    folder = out / f"{name}-{shot}-shot-{Path(backbone).name}"
    print(f"{name}: evaluating into {folder}", flush=True)
    evaluate(settings, out=folder, cache=out / "cache", progress=_Tenths())
    return folder


class _Tenths:
    """Prints a step's progress ten times."""

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if tenth > self._shown.get(what, 0):
            self._shown[what] = tenth
            print(f"  {what}: {done}/{total}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = program_parser("results", __doc__)
    add_out(parser, "clips, cache and results", default="runs/results")
    parser.add_argument("--backbone", default="motion-filters", help="as in a2m2 evaluate")
    parser.add_argument("--pixels", type=int, default=224, help="side of the frames that the backbone sees")
    parser.add_argument("--shot", type=int, default=1)
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--set", choices=SETS, action="append", help="one set only; repeatable")
    parser.add_argument("--into", type=Path, help="Markdown file with the marks")
    options = parser.parse_args(arguments)
    for name in options.set or SETS:
        folder = run(
            name,
            backbone=options.backbone,
            pixels=options.pixels,
            shot=options.shot,
            episodes=options.episodes,
            out=options.out,
        )
        table = markdown(folder)
        print(f"\n{table}\n", flush=True)
        if options.into is not None:
            mark = f"{Path(options.backbone).name}-{name}"
            fill_marks(options.into, {mark: table})


if __name__ == "__main__":
    main()
