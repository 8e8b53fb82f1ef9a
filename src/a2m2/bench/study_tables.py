"""The figures of the study as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MEANS = (
    "Each figure is the mean over {seeds} training seeds and {episodes:,} episodes (5-way, 1 query a class, the same "
    "episodes for every row); ± is the 95 % interval over the episodes, and brackets hold the range of the seeds. "
    "Every row was trained for {pretrain} pre-training and {meta} meta-training steps."
)


def tables(content: Mapping[str, Any]) -> str:
    """All tables of ``study.json``."""
    parts = [
        _MEANS.format(
            seeds=len(content["seeds"]),
            episodes=content["episodes"],
            pretrain=content["steps"]["pretrain"],
            meta=content["steps"]["meta"],
        )
    ]
    for result in content["results"]:
        parts += [_title(result), _accuracy(content, result)]
        if result["alignment"]:
            parts.append(_alignment(result))
    return "\n\n".join(parts)


def short_table(content: Mapping[str, Any]) -> str:
    """One table: accuracy of every row where timing is free, for a reader who wants no more."""
    free = [result for result in content["results"] if result["timing"] == 1.0]
    shots = list(next(iter(free[0]["accuracy"].values())))
    head = ["row", *(f"{result['stratum']}, {shot}-shot %" for result in free for shot in shots)]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in free[0]["accuracy"]:
        cells = [_percent(result["accuracy"][row][shot], seeds=False) for result in free for shot in shots]
        lines.append(f"| {content['rows'].get(row, row)} | {' | '.join(cells)} |")
    note = (
        f"5-way, novel classes, timing 1; mean over {len(content['seeds'])} training seeds and "
        f"{content['episodes']:,} episodes, 1 query a class, ± 95 % over the episodes; chance 20 %."
    )
    return "\n".join([*lines, "", note])


def _title(result: Mapping[str, Any]) -> str:
    axis, weight = result["order_prior"]
    order = f", order {result['timing']:g}" if result["stratum"] == "sets" else ""
    chosen = f"λ {weight:g} on {axis}" if weight else "none (λ 0)"
    title = f"### {result['stratum']}, timing {result['timing']:g}{order}"
    return f"{title}\n\nOrder prior chosen on validation classes: {chosen}."


def _accuracy(content: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    shots = list(next(iter(result["accuracy"].values())))
    head = ["row", *(f"{shot}-shot %" for shot in shots), *(f"A² minus it, {shot}-shot" for shot in shots)]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row, figures in result["accuracy"].items():
        cells = [_percent(figures[shot]) for shot in shots]
        lead = result["a2_minus"].get(row)
        cells += ["" if lead is None else _percent(lead[shot], sign="+") for shot in shots]
        what = content["rows"].get(row, row)
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _alignment(result: Mapping[str, Any]) -> str:
    lines = ["| alignment truth: non-idle mass on the same sub-action, % | |", "|---|---|"]
    for row, share in result["alignment"].items():
        seeds = ", ".join(f"{100 * value:.1f}" for value in share["seeds"])
        lines.append(f"| {row} | {100 * share['mean']:.1f} ({seeds}) |")
    return "\n".join(lines)


def _percent(figures: Mapping[str, Any], *, sign: str = "", seeds: bool = True) -> str:
    value = f"{100 * figures['mean']:{sign}.1f} ± {100 * figures['interval95']:.1f}"
    means = figures["seeds"]
    if seeds and len(means) > 1:
        value += f" [{100 * min(means):{sign}.1f} … {100 * max(means):{sign}.1f}]"
    return value
