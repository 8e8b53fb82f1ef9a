"""Lists of episodes as CSV, so that other code can run the very same ones.

One row a video of an episode, header ``episode,role,way,class,video``: number of the episode from 0, ``support`` or
``query``, position of the class in the episode, and the names of class and video. A JSON file of the same name beside
it says what they were drawn from, with the digest that two runs over the same episodes share.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from a2m2.checks import write_text_atomic
from a2m2.records import Episode, episodes_digest

HEADER = ("episode", "role", "way", "class", "video")


def episodes_csv(episodes: Iterable[Episode], *, classes: Sequence[str], videos: Sequence[str]) -> str:
    """The text of a list; supports before queries, each in the order of the episode's classes."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEADER)
    for episode in episodes:
        for role, groups in (("support", episode.support), ("query", episode.query)):
            for way, (label, members) in enumerate(zip(episode.classes, groups, strict=True)):
                writer.writerows(
                    (episode.index, role, way, classes[label], videos[video]) for video in members
                )
    return file.getvalue()


def write_episodes(
    path: Path,
    episodes: Sequence[Episode],
    *,
    classes: Sequence[str],
    videos: Sequence[str],
    facts: dict[str, Any],
) -> str:
    """Write the list and the JSON beside it; returns the digest of the episodes.

    Args:
        path: the CSV file.
        episodes: in order.
        classes, videos: names that the episodes' positions stand for.
        facts: what they were drawn from; goes into the JSON.

    Raises:
        OutputError: a file cannot be written.
    """
    text = episodes_csv(episodes, classes=classes, videos=videos)
    digest = episodes_digest(episodes)
    content = {
        **facts,
        "episodes": len(episodes),
        "episodes_digest": digest,
        "csv_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    write_text_atomic(path, text)
    write_text_atomic(path.with_suffix(".json"), json.dumps(content, indent=1) + "\n")
    return digest
