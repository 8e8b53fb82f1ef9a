"""The process that reads: one input after the other, each judged, its place told through shared memory."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import tempfile
import time
import traceback
import warnings
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

from a2m2.bench.fuzzing.place import Chunk, Place
from a2m2.bench.fuzzing.readers import Reader, chosen, good_files, make_input
from a2m2.errors import A2M2Error

Kind = Literal["error", "unnamed", "long", "memory", "slow", "crash", "hang"]
"""What a finding is: an error of another class, ours without the file's name or longer than a page, more memory or time
than allowed, or a process that died or did not come back."""

MEMORY_MIB = 512
"""Most memory that one input may add to the highest seen before."""
_ADDRESS_SPACE = 24 << 30
_LONGEST_MESSAGE = 4000
_PATIENCE = 10
CASE, NOTE = "case", "finding.json"


@dataclass(frozen=True)
class Finding:
    """An input that was not read as it should be.

    Attributes:
        reader, seed, index: make it again.
        file: the damaged file among those in ``case``.
        kind: what is wrong.
        text: the error.
    """

    reader: str
    seed: int
    index: int
    file: str
    kind: Kind
    text: str


def judge(reader: Reader, folder: Path, file: str) -> tuple[str, str]:
    """``accepted``, ``refused``, or the kind of a finding; and the error's text."""
    before, start = _peak_mib(), time.process_time()
    try:
        reader.read(folder, file)
    except A2M2Error as error:
        outcome, text = "refused", str(error)
        if Path(file).name not in text:
            outcome = "unnamed"
        elif len(text) > _LONGEST_MESSAGE:
            outcome = "long"
    except BaseException:  # whatever it is, it is what this program looks for
        outcome, text = "error", traceback.format_exc(limit=-12)
    else:
        outcome, text = "accepted", ""
    if _peak_mib() - before > MEMORY_MIB:
        outcome, text = "memory", f"{_peak_mib() - before:.0f} MiB; {text}"
    seconds = time.process_time() - start
    if seconds > reader.seconds / 2:
        outcome, text = "slow", f"{seconds:.1f} s; {text}"
    return outcome, text[-20_000:]


def serve(connection: Connection, place: Place, work: Path, findings: Path) -> None:
    """Read the chunks asked for until None comes."""
    _limit_memory()
    # One who presses Ctrl-C means the whole program, which ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A damaged name of a backbone is not looked for elsewhere.
    os.environ["HF_HUB_OFFLINE"] = "1"
    warnings.simplefilter("ignore")
    prepared: dict[str, tuple[Reader, Path, dict[str, bytes]]] = {}
    connection.send(None)
    while (chunk := connection.recv()) is not None:
        if chunk.reader not in prepared:
            (reader,) = chosen([chunk.reader])
            folder = Path(tempfile.mkdtemp(dir=work))
            prepared[chunk.reader] = reader, folder, good_files(reader, folder)
        begun = time.process_time()
        _read_chunk(chunk, *prepared[chunk.reader], place, work, findings)
        count = place.counted()
        count.seconds = time.process_time() - begun
        connection.send(count)


def _read_chunk(
    chunk: Chunk,
    reader: Reader,
    folder: Path,
    good: dict[str, bytes],
    place: Place,
    work: Path,
    findings: Path,
) -> None:
    place.reset()
    for index in range(chunk.first, chunk.end):
        case = make_input(reader, good, chunk.seed, index)
        path = folder / case.file
        path.write_bytes(case.content)
        (work / "now").write_text(f"{folder}\n{case.file}", encoding="utf-8")
        place.begin(index, _PATIENCE * reader.seconds)
        outcome, text = judge(reader, folder, case.file)
        place.rest()
        if outcome not in ("accepted", "refused"):
            finding = Finding(reader.name, chunk.seed, index, case.file, outcome, text)  # type: ignore[arg-type]
            path.write_bytes(case.content)
            keep(finding, folder, findings)
        place.count(outcome)
        path.write_bytes(good[case.file])


def keep(finding: Finding, folder: Path, findings: Path) -> None:
    """Keep the files of a finding and what it is."""
    place = findings / f"{finding.reader}-{finding.seed}-{finding.index}".replace(" ", "-")
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place / CASE)
    (place / NOTE).write_text(json.dumps(asdict(finding), indent=1) + "\n", encoding="utf-8")


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _limit_memory() -> None:
    """A reader that wants the whole machine gets a MemoryError instead."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, hard))
