"""Kill commands that write at random moments, run them again, and compare with what an undisturbed run leaves.

Example::

    python -m a2m2.bench.kills --kills 200 --json kills.json
    python -m a2m2.bench.kills --kills 20 --command evaluate --command train --seed 7

After every kill, what lies on disk is read by the project's own readers: each file is whole or absent. Then the same
command runs again, and some of these runs are killed too. What the last one leaves is compared with the undisturbed
run, byte for byte; only times of day and durations may differ. Half of the moments are times, half are file operations.
Four kills of five are SIGKILL, the others SIGINT or SIGTERM. Whatever is wrong is a finding, and the folder stays.
Linux only.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from a2m2.bench.figures import Cell, FigureTable, command, write_figures
from a2m2.bench.kill_cases import Case, Place, all_cases, visible
from a2m2.bench.kill_inputs import write_inputs
from a2m2.bench.killing import Ended, Kill, adopt_orphans, run
from a2m2.bench.options import add_seed, measurement_parser
from a2m2.errors import RecordError

_TIMES = ("timings.json",)
_AGAIN = 0.3
"""Probability that a run after a kill is killed too."""
_SIGNALS = (signal.SIGKILL,) * 8 + (signal.SIGINT, signal.SIGTERM)


@dataclass
class Row:
    """What became of the kills of one command.

    Attributes:
        seconds, operations: of an undisturbed run.
        kills: runs that were killed while they lived.
        too_late: runs that had ended when they should have been killed.
        begun: runs from the start that were killed, some of them again when they were run again.
        resumed: those that ended as the undisturbed one.
        pieces: finished pieces that lay there at a kill and are never made again.
        lost: runs that ended without a result, results that were there before and are gone, and pieces made again.
        corrupt: files that a reader refused, and results that differ.
        left_over: hidden files that stayed behind after the last run.
        findings: what was lost or corrupt, in words.
    """

    seconds: float
    operations: int
    kills: int = 0
    too_late: int = 0
    begun: int = 0
    resumed: int = 0
    pieces: int = 0
    lost: int = 0
    corrupt: int = 0
    left_over: int = 0
    findings: list[str] = field(default_factory=list)


class Killer:
    """Kills the runs of one case.

    Args:
        case: the command.
        folder: of everything; runs take place in ``folder/work``, so that paths in records are always the same.
    """

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self.folder = folder
        self.place = Place(folder / "inputs", folder / "work")
        self.start = folder / "starts" / case.name
        self._begin()
        self.truth, self.row = self._undisturbed()

    def _begin(self) -> None:
        """What every run of the case starts from."""
        shutil.rmtree(self.place.work, ignore_errors=True)
        self.place.work.mkdir()
        if self.case.before is not None:
            log = self.folder / "log.txt"
            ended = run(self.case.before(self.place), folder=self.place.work, log=log)
            if ended.status:
                raise RecordError(f"{self.case.name}: what runs before failed; see {log}")
        shutil.rmtree(self.start, ignore_errors=True)
        shutil.copytree(self.place.work, self.start)

    def _undisturbed(self) -> tuple[dict[str, Any], Row]:
        """The truth; run twice, so that what no run repeats is not taken for damage."""
        found: list[dict[str, Any]] = []
        for _ in range(2):
            log = self._renew()
            ended = run(self.case.work(self.place), folder=self.place.work, log=log)
            if ended.status:
                raise RecordError(f"{self.case.name} fails undisturbed, status {ended.status}; see {log}")
            self.case.read(self.place)
            found.append(content_of(self.place.work))
        different = differences(found[0], found[1])
        if different:
            raise RecordError(f"{self.case.name}: two undisturbed runs differ: {'; '.join(different)}")
        return found[0], Row(round(ended.seconds, 3), ended.operations)

    def _renew(self) -> Path:
        """A fresh work folder; returns a fresh log."""
        shutil.rmtree(self.place.work, ignore_errors=True)
        shutil.copytree(self.start, self.place.work)
        log = self.folder / "log.txt"
        log.unlink(missing_ok=True)
        return log

    def once(self, rng: random.Random) -> None:
        """One fresh run, killed at least once if it does not end before, then run to its end and compared."""
        row, log = self.row, self._renew()
        told: list[str] = []
        pieces: dict[str, tuple[int, int]] = {}
        work = self.case.work(self.place)
        wrong: list[str] = []
        while True:
            kill = self._draw(rng)
            ended = run(work, folder=self.place.work, log=log, kill=kill)
            work = (self.case.again or self.case.work)(self.place)
            if not ended.struck:
                row.too_late += 1
                break
            row.kills += 1
            told.append(str(kill))
            wrong += self._after_kill(ended, kill)
            pieces |= self._pieces()
            if rng.random() >= _AGAIN:
                break
        wrong += self._to_the_end(work, ended, log, pieces)
        row.pieces += len(pieces)
        row.begun += bool(told)
        if wrong:
            row.findings.append(f"{', then '.join(told) or 'not killed'}: {'; '.join(wrong)}")
            kept = self.folder / "findings" / f"{self.case.name} {len(row.findings)}"
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(self.place.work, kept)
            shutil.copy(log, kept / "log.txt")
        else:
            row.resumed += bool(told)

    def _draw(self, rng: random.Random) -> Kill:
        row = self.row
        number = rng.choice(_SIGNALS)
        whole = rng.random() < 0.75
        if rng.random() < 0.5:
            return Kill(number, rng.uniform(0, row.seconds), None, whole)
        delay = rng.choice((0.0, rng.uniform(0, 0.005)))
        return Kill(number, delay, rng.randint(1, max(1, row.operations)), whole)

    def _after_kill(self, ended: Ended, kill: Kill) -> list[str]:
        """What is wrong right after a kill."""
        wrong = []
        if ended.stuck:
            wrong.append("stuck: it went on after the signal")
        if ended.survivors:
            wrong.append("stuck: helpers outlived the main process")
        if self.case.must_stay and not (self.place.out.exists() and _is_there(self.place.out)):
            self.row.lost += 1
            wrong.append("lost: what was there before is gone")
        try:
            self.case.read(self.place)
        except Exception as error:
            self.row.corrupt += 1
            wrong.append(f"corrupt: {type(error).__name__}: {error}")
        return wrong

    def _to_the_end(
        self, work: Any, ended: Ended, log: Path, pieces: Mapping[str, tuple[int, int]]
    ) -> list[str]:
        """Run to the end and say what is wrong with what it leaves."""
        if ended.struck:
            ended = run(work, folder=self.place.work, log=log)
        if ended.status:
            self.row.lost += 1
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            return [f"lost: the same command ended with status {ended.status}: {(lines or [''])[-1]}"]
        wrong = []
        different = differences(self.truth, content_of(self.place.work))
        if different:
            self.row.corrupt += 1
            wrong.append(f"corrupt: {', '.join(different)}")
        now = self._pieces()
        again = [name for name, stamp in pieces.items() if now.get(name) != stamp]
        if again:
            self.row.lost += 1
            wrong.append(f"lost: {len(again)} finished pieces were made again, such as {again[0]}")
        hidden = list(self.place.work.rglob(".*"))
        if hidden:
            self.row.left_over += len(hidden)
            wrong.append(
                f"left over: {', '.join(str(path.relative_to(self.place.work)) for path in hidden[:3])}"
            )
        return wrong

    def _pieces(self) -> dict[str, tuple[int, int]]:
        """Finished pieces: name to what changes when they are written again."""
        paths = [path for pattern in self.case.pieces for path in self.place.work.glob(pattern)]
        found = {}
        for path in paths:
            if not path.name.startswith("."):
                status = path.stat()
                found[str(path.relative_to(self.place.work))] = status.st_ino, status.st_mtime_ns
        return found


def _is_there(out: Path) -> bool:
    return out.is_file() or bool(visible(out))


def content_of(folder: Path) -> dict[str, Any]:
    """Everything in a folder that does not tell the time: relative path to content."""
    content: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or path.name in _TIMES or any(part.startswith(".") for part in name.split("/")):
            continue
        data = path.read_bytes()
        if name.startswith("cache/") and path.suffix == ".jsonl":
            # Lines come in the order of threads, and with the times of files.
            entries = [json.loads(line) for line in data.splitlines() if line.strip()]
            content[name] = {entry[0]: entry[2] for entry in entries}
        elif path.suffix == ".ckpt":
            content[name] = _plain(torch.load(path, weights_only=True))
        else:
            content[name] = data
    return content


def _plain(value: Any) -> Any:
    """A checkpoint as values that can be compared."""
    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.contiguous().view(-1).numpy().tobytes()
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value


def differences(expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """How two contents differ, a few words a file."""
    told = [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
    told += [f"{name} is too much" for name in sorted(found.keys() - expected.keys())]
    told += [
        f"{name} differs" for name in sorted(expected.keys() & found.keys()) if expected[name] != found[name]
    ]
    return told[:5]


def kill_all(
    cases: Sequence[Case], folder: Path, *, kills: int, seed: int, progress: bool = True
) -> dict[str, Row]:
    """Kill every case until there were ``kills`` kills in all, shared out as the cases say.

    Raises:
        RecordError: a case that fails or is not repeatable undisturbed.
    """
    adopt_orphans()
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    run(lambda: write_inputs(folder / "inputs"), folder=folder / "inputs", log=folder / "log.txt")
    shares = sum(case.share for case in cases)
    rows: dict[str, Row] = {}
    total = 0.0
    for case in cases:
        before = round(total)
        total += kills * case.share / shares
        killer = Killer(case, folder)
        rows[case.name] = killer.row
        rng = random.Random(f"{seed} {case.name}")
        start = time.monotonic()
        while killer.row.kills < round(total) - before:
            killer.once(rng)
        if progress:
            row = killer.row
            elapsed = time.monotonic() - start
            print(
                f"{case.name}: {row.kills} kills in {elapsed:.0f} s, {len(row.findings)} findings", flush=True
            )
    return rows


def table(rows: Mapping[str, Row], command: str) -> FigureTable:
    """A row a command, and their sum."""
    names = [one for one in Row.__dataclass_fields__ if one != "findings"]
    cells: list[tuple[Cell, ...]] = [
        (command, *(getattr(row, name) for name in names)) for command, row in rows.items()
    ]
    sums = [sum(getattr(row, name) for row in rows.values()) for name in names[2:]]
    headings = [name.replace("_", " ") for name in names]
    return FigureTable(
        "Kills at random moments",
        ("command", *headings),
        (*cells, ("all", None, None, *sums)),
        note="seconds and file operations are those of a run that is not killed",
        command=command,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    cases = all_cases()
    parser = measurement_parser("kills", __doc__)
    parser.add_argument("--kills", type=int, default=200, help="kills in all")
    add_seed(parser, "the moments")
    parser.add_argument("--command", choices=cases, action="append", help="one only; repeatable")
    parser.add_argument(
        "--folder", type=Path, help="where to work; findings stay there. A temporary one when not given"
    )
    options = parser.parse_args(arguments)
    chosen = [cases[name] for name in options.command or cases]
    folder = options.folder or Path(tempfile.mkdtemp(prefix="a2m2-kills-"))
    start = time.monotonic()
    rows = kill_all(chosen, folder, kills=options.kills, seed=options.seed)
    elapsed = time.monotonic() - start
    figures = table(rows, command("kills", arguments))
    print(f"\n{figures.text()}\n")
    for name, row in rows.items():
        for finding in row.findings:
            print(f"{name}: {finding}")
    write_figures(
        options.json,
        [figures],
        kills=options.kills,
        seed=options.seed,
        seconds=round(elapsed, 1),
        rows={name: asdict(row) for name, row in rows.items()},
    )
    if any(row.findings for row in rows.values()):
        print(f"what was left is in {folder / 'findings'}")
        raise SystemExit(1)
    if options.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
