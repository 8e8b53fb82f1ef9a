"""Put figures of results folders and programs into a Markdown file, between two marks.

Example::

    python -m a2m2.bench.tables docs/results.md --mark sets-timing-0 runs/sets_t0
    python -m a2m2.bench.tables notes.md --mark both runs/sets_t1 runs/sequences_t1 --short
    python -m a2m2.bench.ot > ot.txt; python -m a2m2.bench.tables docs/results.md --mark ot --text ot.txt
    python -m a2m2.bench.tables docs/search.md --mark search --figures search.json

The file holds ``<!-- begin NAME -->`` and ``<!-- end NAME -->``; what stands between them is replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from a2m2.bench.figures import figures_markdown, read_figures
from a2m2.bench.marks import fill_marks
from a2m2.bench.options import program_parser
from a2m2.eval.stats import Summary, read_summary
from a2m2.records import RunRecord, read_run


def markdown(folder: Path, *, short: bool = False) -> str:
    """Accuracy, paired differences to the first method, and alignment truth of one results folder."""
    run, summary = read_run(folder), read_summary(folder)
    parts = [_heading(run, folder.name), _accuracy(run, summary)]
    if not short:
        parts.append(_pairs(summary))
        if summary.alignment:
            parts.append(_alignment(summary))
    return "\n\n".join(parts)


def _heading(run: RunRecord, name: str) -> str:
    splits = " + ".join(run.splits) or "all clips"
    networks = run.config.get("weights")
    what = f"networks {', '.join(networks)}" if networks else f"backbone {run.config['backbone']['source']}"
    return (
        f"**{name}** ({splits}): {run.way}-way {run.shot}-shot, {run.query} quer{'y' if run.query == 1 else 'ies'} a "
        f"class, {run.episodes:,} episodes, seed {run.seed}, {len(run.videos):,} clips, chance {100 / run.way:.0f} %; "
        f"{what}, fitted on {run.fit}."
    )


def _accuracy(run: RunRecord, summary: Summary) -> str:
    lines = ["| method | accuracy % | what it is |", "|---|---|---|"]
    for name, figures in sorted(summary.methods.items(), key=lambda item: -item[1].accuracy):
        value = _percent(figures.accuracy, figures.interval95)
        lines.append(f"| `{name}` | {value} | {run.methods[name]} |")
    return "\n".join(lines)


def _pairs(summary: Summary) -> str:
    first = next(iter(summary.methods))
    lines = [f"| `{first}` minus | points, paired |", "|---|---|"]
    lines += [
        f"| `{p.b}` | {_percent(p.difference, p.interval95, sign='+')} |"
        for p in summary.pairs
        if p.a == first
    ]
    return "\n".join(lines)


def _alignment(summary: Summary) -> str:
    lines = [
        "| alignment truth, % of mass on the same sub-action | non-idle frames | all frames |",
        "|---|---|---|",
    ]
    for name, shares in summary.alignment.items():
        cells = [_percent(shares[kind]["share"], shares[kind]["interval95"]) for kind in ("non_idle", "all")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _percent(value: float, half_width: float, *, sign: str = "") -> str:
    return f"{100 * value:{sign}.2f} ± {100 * half_width:.2f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = program_parser("tables", __doc__)
    parser.add_argument("file", type=Path, help="Markdown file with the marks")
    parser.add_argument("folders", type=Path, nargs="*", help="results folders of a2m2 evaluate")
    parser.add_argument("--mark", required=True, help="name of the marks")
    parser.add_argument(
        "--text", type=Path, action="append", default=[], help="what a program printed; repeatable"
    )
    parser.add_argument(
        "--figures",
        type=Path,
        action="append",
        default=[],
        help="what a program wrote with --json; repeatable",
    )
    parser.add_argument("--short", action="store_true", help="accuracies only")
    options = parser.parse_intermixed_args(arguments)
    blocks = [markdown(folder, short=options.short) for folder in options.folders]
    blocks += [f"```\n{path.read_text(encoding='utf-8').strip()}\n```" for path in options.text]
    blocks += [figures_markdown(*read_figures(path)) for path in options.figures]
    fill_marks(options.file, {options.mark: "\n\n".join(blocks)})


if __name__ == "__main__":
    main()
