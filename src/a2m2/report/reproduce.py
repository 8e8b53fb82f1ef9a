"""Section: what it takes to get the same figures again, and to see whether one did."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from a2m2.report.inputs import Results


@dataclass(frozen=True)
class Reproduction:
    """The command, the digests that must come out alike, versions, and the resolved configuration as YAML."""

    command: str
    digests: tuple[tuple[str, str, str], ...]
    versions: tuple[tuple[str, str], ...]
    config: str


def reproduce(results: Results) -> Reproduction:
    """Recipe of one run."""
    run = results.run
    return Reproduction(
        command="a2m2 evaluate --config config.yaml --out results",
        digests=(
            ("Configuration", run.config_digest, "every setting"),
            ("Data", run.data_digest, "the videos and their classes"),
            ("Episodes", run.episodes_digest, "who is support and query in every task"),
            ("Weights", run.weights_digest, "the networks" if run.fit == "training" else "the backbone"),
        ),
        versions=tuple(sorted(run.versions.items())),
        config=yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True, width=100),
    )
