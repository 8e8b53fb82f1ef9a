"""The comparison of docs/study.md: what second order and alignment bring to networks trained alike, on synth-v1.

    python -m a2m2.bench.study --out runs/study --into docs/study.md

For each stratum (sets with order 1, sequences; timing 1) and three training seeds a network is pre-trained on the base
classes; from its weights every row is trained on episodes with its own moments and matcher, for the same number of
steps. The order prior of A² is chosen on validation classes. Everything is tested on novel classes, decoded from H.264
files, at timing 0, 0.5 and 1, over the same episodes. Interrupted, the same command goes on where it stopped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from a2m2.bench.lists import write_list
from a2m2.bench.marks import fill_marks
from a2m2.bench.options import add_out, program_parser
from a2m2.bench.study_tables import short_table, tables
from a2m2.bench.study_tests import Tester, choose_order_prior
from a2m2.checks import write_text_atomic
from a2m2.config import load
from a2m2.progress import show_progress
from a2m2.synth import SynthConfig, generate
from a2m2.train.jobs import TrainJob, run_jobs
from a2m2.train_settings import TrainSettings

Progress = Callable[[str, int, int], None]

STRATA = ("sets", "sequences")
TIMINGS = (0.0, 0.5, 1.0)
SEEDS = (0, 1, 2)
SHOTS = (1, 5)
TRAIN_CLIPS, TEST_CLIPS = 40, 30
UNTRAINED = "untrained"
"""Row of the A² network with the weights that it starts from."""


ROWS = {
    "a2m2_net": "second order, A²",
    "diagonal": "second order, no alignment",
    "a2_first_order": "first order, A²",
    "protonet_first_order": "first order, mean, cosine (ProtoNet)",
}
"""Method to what it is in the tables."""


def render_clips(
    out: Path, *, train_clips: int, test_clips: int, num_workers: int, progress: Progress
) -> None:
    """Base and validation classes at timing 1, test classes at every timing, and the lists of what belongs together."""
    folders: list[tuple[str, str, float, tuple[str, ...], int]] = []
    folders += [(stratum, "base", 1.0, ("train", "val"), train_clips) for stratum in STRATA]
    folders += [(s, f"timing-{t:g}", t, ("test",), test_clips) for s in STRATA for t in TIMINGS]
    for stratum, name, timing, splits, clips in folders:
        config = SynthConfig.build(
            {
                "stratum": stratum,
                "timing": timing,
                # Sub-actions of a set come in the order of the class where timing is fixed, in any where it is free.
                "order": timing if stratum == "sets" else 0.0,
                "clips_per_class": clips,
                "splits": splits,
            }
        )
        what = f"rendering {stratum}, {name}"
        generate(
            out / f"{stratum}-{name}",
            config,
            num_workers=num_workers,
            progress=lambda done, total, what=what: progress(what, done, total),  # type: ignore[misc]
        )
    for stratum in STRATA:
        for timing in TIMINGS:
            places = [out / f"{stratum}-base", out / f"{stratum}-timing-{timing:g}"]
            write_list(out / f"{stratum}-{timing:g}.csv", _clips(places), class_name=_named_by_stratum)


def _clips(folders: Sequence[Path]) -> list[Path]:
    return [clip for folder in folders for clip in sorted(folder.glob("*/*/*.mp4"))]


def _named_by_stratum(clip: Path) -> str:
    """A class is called by its stratum too, since both strata may know its name."""
    return f"{clip.parts[-4].split('-')[0]}: {clip.parts[-2]}"


def jobs(
    config: Path, out: Path, *, seeds: Sequence[int], pretrain_steps: int | None, meta_steps: int | None
) -> list[TrainJob]:
    """All trainings: for each stratum and seed one pre-training, and every row from its weights."""
    result: list[TrainJob] = []
    steps = [f"pretrain.steps={pretrain_steps}"] if pretrain_steps is not None else []
    steps += [f"meta.steps={meta_steps}"] if meta_steps is not None else []

    def settings(stratum: str, method: str, seed: int, *more: str) -> TrainSettings:
        overrides = [f"method={method}", f"seed={seed}", f"backbone.random_seed={seed}", *steps, *more]
        return load(TrainSettings, config, overrides, data=str(out / "clips" / f"{stratum}-base"))

    for seed in seeds:
        for stratum in STRATA:
            name = f"{stratum}-{seed}"
            place = out / "pretrained" / name
            result.append(TrainJob(name, settings(stratum, "a2m2_net", seed), "pretrain", place))
    for seed in seeds:
        for stratum in STRATA:
            start = out / "pretrained" / f"{stratum}-{seed}"
            for row in ROWS:
                name = f"{stratum}-{row}-{seed}"
                one = settings(stratum, row, seed)
                result.append(TrainJob(name, one, "meta", out / "trained" / name, start))
            name = f"{stratum}-{UNTRAINED}-{seed}"
            one = settings(stratum, "a2m2_net", seed, "pretrain.steps=0")
            result.append(TrainJob(name, one, "pretrain", out / "trained" / name))
    return result


def run(
    config: Path,
    out: Path,
    *,
    seeds: Sequence[int] = SEEDS,
    episodes: int = 10_000,
    truth_episodes: int = 1000,
    clips: tuple[int, int] = (TRAIN_CLIPS, TEST_CLIPS),
    pretrain_steps: int | None = None,
    meta_steps: int | None = None,
    num_workers: int = 2,
    progress: Progress,
) -> Path:
    """Render, train, choose, test; returns the file with the figures."""
    begin = time.perf_counter()
    render_clips(
        out / "clips", train_clips=clips[0], test_clips=clips[1], num_workers=num_workers, progress=progress
    )
    work = jobs(config, out, seeds=seeds, pretrain_steps=pretrain_steps, meta_steps=meta_steps)
    records = run_jobs(work, num_workers=num_workers, cache=out / "cache", progress=progress)
    trained = time.perf_counter()
    results = []
    for stratum in STRATA:
        networks = {
            row: [out / "trained" / f"{stratum}-{row}-{seed}" for seed in seeds] for row in (*ROWS, UNTRAINED)
        }
        prior = choose_order_prior(
            networks["a2m2_net"], out / "clips" / f"{stratum}-1.csv", cache=out / "cache", progress=progress
        )
        for timing in TIMINGS:
            tester = Tester(
                out / "clips" / f"{stratum}-{timing:g}.csv", cache=out / "cache", progress=progress
            )
            results.append(
                {
                    "stratum": stratum,
                    "timing": timing,
                    "order_prior": prior,
                    **tester.test(
                        networks,
                        prior,
                        shots=SHOTS,
                        episodes=episodes,
                        truth_episodes=truth_episodes if timing == 1.0 else 0,
                        training_free=timing == 1.0,
                    ),
                }
            )
    content = {
        "rows": ROWS,
        "seeds": list(seeds),
        "episodes": episodes,
        "clips_per_class": {"train": clips[0], "test": clips[1]},
        "steps": {
            stage: max(r.steps for r in records.values() if r.stage == stage)
            for stage in ("pretrain", "meta")
        },
        "config": work[0].settings.model_dump(mode="json"),
        "validation": {
            name: record.best.accuracy for name, record in records.items() if record.best is not None
        },
        "results": results,
    }
    path = out / "study.json"
    write_text_atomic(path, json.dumps(content, indent=1) + "\n")
    seconds = {"until trained": trained - begin, "in all": time.perf_counter() - begin}
    write_text_atomic(out / "timings.json", json.dumps(seconds, indent=1) + "\n")
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = program_parser("study", __doc__)
    add_out(parser, "clips, trainings and figures", default="runs/study")
    parser.add_argument("--config", type=Path, default=Path("synth-small"))
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="training seeds, from 0")
    parser.add_argument("--pretrain-steps", type=int, help="instead of the configuration's")
    parser.add_argument("--meta-steps", type=int, help="instead of the configuration's")
    parser.add_argument("--workers", type=int, default=2, help="trainings side by side")
    parser.add_argument("--into", type=Path, help="Markdown file with the marks 'study', for all tables")
    parser.add_argument("--short-into", type=Path, help="Markdown file with the marks 'study', for one table")
    parser.add_argument("--draw-only", action="store_true", help="tables of the figures that are there")
    options = parser.parse_args(arguments)
    path = options.out / "study.json"
    if not options.draw_only:
        with show_progress() as progress:
            path = run(
                options.config,
                options.out,
                seeds=range(options.seeds),
                episodes=options.episodes,
                pretrain_steps=options.pretrain_steps,
                meta_steps=options.meta_steps,
                num_workers=options.workers,
                progress=progress,
            )
    content = json.loads(path.read_text(encoding="utf-8"))
    print(tables(content))
    for file, text in ((options.into, tables(content)), (options.short_into, short_table(content))):
        if file is not None:
            fill_marks(file, {"study": text})
    print(f"\nfigures in {path}")


if __name__ == "__main__":
    main()
