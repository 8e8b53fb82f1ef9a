"""Section: what was run in words a stranger understands, the large figures, what a reader must know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from a2m2.records import RunRecord
from a2m2.report.figures import is_clear, paired, ranked
from a2m2.report.inputs import Results
from a2m2.report.wording import chance_percent, count, counted, digits_for, listed, percent, signed

FITS = {
    "train": "on the training classes",
    "supports": "on each episode's support videos alone",
    "transductive": "on all clips, queries included (without their labels)",
    "none": "on nothing",
    "training": "by training, together with the network",
}
"""``RunRecord.fit`` in words, after "fitted"."""

TRANSDUCTIVE = (
    "transductive fit: the reduction and the mean descriptor saw all clips, the queries included, without "
    "their labels; do not compare with figures of methods that never saw the queries"
)


@dataclass(frozen=True)
class Headline:
    """One large figure with what it is."""

    label: str
    value: str
    remark: str


@dataclass(frozen=True)
class Overview:
    """The opening of a run: a sentence, large figures, warnings, and a list of facts."""

    sentence: str
    headlines: tuple[Headline, ...]
    notes: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]


def overview(results: Results) -> Overview:
    """Opening of one run."""
    return Overview(
        sentence=_sentence(results.run),
        headlines=tuple(_headlines(results)),
        notes=_notes(results.run),
        facts=tuple(_facts(results.run)),
    )


def protocol(run: RunRecord) -> str:
    """``5-way 1-shot``."""
    return f"{run.way}-way {run.shot}-shot"


def setting(config: Mapping[str, Any], *keys: str) -> Any:
    """The value at nested ``keys`` of a resolved configuration; None where an older one has no such key."""
    value: Any = config
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _sentence(run: RunRecord) -> str:
    splits = (
        f" ({listed(list(run.splits))} {'split' if len(run.splits) == 1 else 'splits'})" if run.splits else ""
    )
    return (
        f"{counted(run.episodes, 'small task')} {'was' if run.episodes == 1 else 'were'} drawn from the "
        f"{counted(len(run.classes), 'class', 'classes')} and {counted(len(run.videos), 'video')} of "
        f"{run.dataset}{splits}. In {'it' if run.episodes == 1 else 'each'}, a method is shown "
        f"{counted(run.way, 'action')}, "
        f"{counted(run.shot, 'example video')} of each, and then has to recognise "
        f"{counted(run.query, 'further video')} of every action. "
        f"Guessing would be right in {chance_percent(run.way)} % of cases."
    )


def _headlines(results: Results) -> list[Headline]:
    summary = results.summary
    first, *others = ranked(summary)
    best = summary.methods[first]
    digits = digits_for(best.interval95)
    headlines = [
        Headline(
            "Best accuracy" if others else "Accuracy",
            f"{percent(best.accuracy, digits)} %",
            f"{first}, ± {percent(best.interval95, digits)}",
        )
    ]
    lead = paired(summary, first, others[0]) if others else None
    if lead is not None:
        digits = digits_for(lead.interval95)
        verdict = "clear of 0" if is_clear(lead) else "not clear of 0"
        headlines.append(
            Headline(
                "Lead over the next",
                f"{signed(lead.difference, digits)} points",
                f"over {others[0]}, ± {percent(lead.interval95, digits)}, {verdict}",
            )
        )
    headlines.append(Headline("Chance", f"{chance_percent(results.run.way)} %", f"1 in {results.run.way}"))
    headlines.append(
        Headline(
            "Episodes",
            count(best.episodes),
            f"{count(best.queries)} queries in all",
        )
    )
    return headlines


def _notes(run: RunRecord) -> tuple[str, ...]:
    """The run's remarks; the one about a transductive fit is added where the run did not make it itself."""
    if run.fit == "transductive" and not any("transductive" in note.lower() for note in run.notes):
        return (TRANSDUCTIVE, *run.notes)
    return run.notes


def _facts(run: RunRecord) -> list[tuple[str, str]]:
    facts = [
        ("Data set", run.dataset),
        ("Splits", ", ".join(run.splits) or "none: the whole folder"),
        ("Protocol", f"{protocol(run)}, {counted(run.query, 'query', 'queries')} a class"),
        ("Seed", str(run.seed)),
        ("Fitted", FITS.get(run.fit, run.fit)),
    ]
    networks = setting(run.config, "weights")
    backbone = setting(run.config, "backbone", "source")
    if networks:
        facts.insert(4, ("Networks", ", ".join(networks)))
    elif backbone is not None:
        facts.insert(4, ("Backbone", str(backbone)))
    frames = setting(run.config, "video", "num_frames")
    if frames is not None and not networks:
        facts.insert(3, ("Frames", f"{frames} a clip"))
    return facts
