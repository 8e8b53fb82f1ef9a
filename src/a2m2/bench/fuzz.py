"""Damage good files in every way that is known to hurt, and read them.

Each input is a real file with changes drawn from a seed: bytes flipped, cut, spliced, and values, shapes, nesting and
numbers changed where the format has them. A reader must take it, or refuse it by an error of the package that names the
file; anything else is kept, its files and the seed, and can be read again with --again. After a stop or a kill the same
command goes on.

Examples::

    python -m a2m2.bench.fuzz --inputs 20000
    python -m a2m2.bench.fuzz --inputs 1000000 --workers 2 --findings findings --json fuzz.json
    python -m a2m2.bench.fuzz --reader lists --reader grid --inputs 5000 --seed 3
    python -m a2m2.bench.fuzz --again findings
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection, wait
from pathlib import Path

from a2m2.bench.figures import Cell, FigureTable, command, write_figures
from a2m2.bench.fuzzing.journal import Journal, shares
from a2m2.bench.fuzzing.place import Chunk, Count, Place
from a2m2.bench.fuzzing.readers import Reader, chosen
from a2m2.bench.fuzzing.worker import CASE, NOTE, Finding, judge, keep, serve
from a2m2.bench.options import add_seed, measurement_parser
from a2m2.checks import alone_in, output_folder
from a2m2.errors import OutputError, RecordError
from a2m2.progress import show_progress


class Worker:
    """A process that reads chunks, watched from here: it may die or not come back.

    Args:
        work: folder for its files.
        findings: folder for what it finds.
        serve: what the process runs.
    """

    def __init__(
        self, work: Path, findings: Path, serve: Callable[[Connection, Place, Path, Path], None] = serve
    ) -> None:
        self.work, self.findings = work, findings
        self._serve = serve
        self._context = multiprocessing.get_context("spawn")
        self.chunk: Chunk | None = None
        self._start()

    def _start(self) -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        self.place = Place(self._context)
        self.connection, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=self._serve, args=(theirs, self.place, self.work, self.findings), daemon=True
        )
        self._process.start()
        theirs.close()
        self.connection.recv()  # importing takes seconds and is not part of anyone's time limit

    def ask(self, chunk: Chunk | None) -> None:
        """Give it something to read."""
        self.chunk = chunk
        if chunk is not None:
            self.place.reset()
            self.connection.send(chunk)

    def answer(self) -> tuple[Count, Chunk | None]:
        """What came of its chunk, and what is left of it if it died over one of its inputs."""
        try:
            return self.connection.recv(), None
        except (EOFError, ConnectionError):
            self._process.join()
            if self._process.exitcode == -signal.SIGTERM:
                return self._restarted()
            return self._buried("crash", f"exit code {self._process.exitcode}")

    def stopped(self) -> tuple[Count, Chunk | None]:
        """As :meth:`answer`, for a process that does not come back from an input."""
        self._process.kill()
        self._process.join()
        return self._buried("hang", "did not come back in time")

    def _buried(self, kind: str, text: str) -> tuple[Count, Chunk | None]:
        chunk, count, index = self.chunk, self.place.counted(), self.place.index
        assert chunk is not None
        folder, file = (self.work / "now").read_text(encoding="utf-8").split("\n", 1)
        keep(Finding(chunk.reader, chunk.seed, index, file, kind, text), Path(folder), self.findings)  # type: ignore[arg-type]
        count.inputs += 1
        count.findings += 1
        self._renew()
        rest = Chunk(chunk.reader, chunk.seed, index + 1, chunk.end)
        return count, rest if rest.first < rest.end else None

    def _restarted(self) -> tuple[Count, Chunk | None]:
        """As :meth:`answer`, for a process that someone else has ended: no input does that."""
        chunk, count = self.chunk, self.place.counted()
        assert chunk is not None
        self._renew()
        return count, Chunk(chunk.reader, chunk.seed, chunk.first + count.inputs, chunk.end)

    def _renew(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        self._start()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def fuzz(
    journal: Journal,
    *,
    num_workers: int,
    findings: Path,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> None:
    """Read what a journal still asks for, and write into it what became of every input.

    Args:
        journal: of the run; which worker reads an input, and in how many sittings, does not matter.
        num_workers: processes that read.
        findings: folder for what is found.
        progress: told after every chunk.

    Raises:
        OutputError: the journal cannot be written.
    """
    waiting, total = deque(journal.waiting()), sum(journal.plan.values())
    begun = time.monotonic() - journal.seconds
    # In memory where the system has such a place: an input is written for every reading.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="a2m2-fuzz-", dir=memory if memory.is_dir() else None) as scratch:
        workers = [Worker(Path(scratch, str(number)), findings) for number in range(num_workers)]
        try:
            while waiting or any(worker.chunk is not None for worker in workers):
                for worker in workers:
                    if worker.chunk is None and waiting:
                        worker.ask(waiting.popleft())
                busy = [worker for worker in workers if worker.chunk is not None]
                ready: list[Connection] = wait([worker.connection for worker in busy], timeout=0.5)  # type: ignore[assignment]
                for worker in busy:
                    chunk = worker.chunk
                    if worker.connection in ready:
                        count, rest = worker.answer()
                    elif worker.place.overdue:
                        count, rest = worker.stopped()
                    else:
                        continue
                    assert chunk is not None
                    journal.add(chunk, count, time.monotonic() - begun)
                    worker.ask(rest)
                    progress("reading damaged files", journal.num_done, total)
        finally:
            for worker in workers:
                worker.close()


def read_again(findings: Path) -> list[tuple[Finding, str, str]]:
    """Every kept finding with its outcome now, in this process."""
    results = []
    for note in sorted(findings.glob(f"*/{NOTE}")):
        finding = Finding(**json.loads(note.read_text(encoding="utf-8")))
        (reader,) = chosen([finding.reader])
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch, CASE)
            shutil.copytree(note.parent / CASE, folder)
            results.append((finding, *judge(reader, folder, finding.file)))
    return results


def table(counts: dict[str, Count]) -> FigureTable:
    """Readers and what became of their inputs."""
    whole = Count()
    for count in counts.values():
        whole.add(count)
    return FigureTable(
        title="Damaged inputs by reader",
        columns=("reader", "inputs", "accepted", "refused", "findings", "inputs a CPU second"),
        rows=tuple(_row(name, count) for name, count in {**counts, "all": whole}.items()),
        command=command("fuzz"),
    )


def _row(name: str, count: Count) -> tuple[Cell, ...]:
    rate = round(count.inputs / count.seconds) if count.seconds else 0
    return name, count.inputs, count.accepted, count.refused, count.findings, rate


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 1 when something was found."""
    parser = measurement_parser("fuzz", __doc__)
    parser.add_argument("--inputs", type=int, default=20_000, help="damaged files to read")
    add_seed(parser, "the damage")
    parser.add_argument("--workers", type=int, default=1, help="processes that read")
    parser.add_argument(
        "--findings", type=Path, default=Path("findings"), help="folder for inputs that were not read well"
    )
    parser.add_argument("--reader", action="append", default=[], help="reader to test; repeat for several")
    parser.add_argument("--again", type=Path, help="read the findings in this folder again, and nothing else")
    options = parser.parse_args(arguments)
    if options.again is not None:
        return _again(options.again)
    try:
        readers = chosen(options.reader)
    except LookupError as error:
        parser.error(str(error.args[0]))
    try:
        output_folder(options.findings)
        with alone_in(options.findings):
            return _run(readers, options)
    except (OutputError, RecordError) as error:
        parser.error(str(error))


def _run(readers: Sequence[Reader], options: argparse.Namespace) -> int:
    findings: Path = options.findings
    journal = Journal(findings, shares(readers, options.inputs), options.seed)
    if journal.num_done:
        print(f"going on after {journal.num_done:,} inputs that were read before", flush=True)
    try:
        with show_progress() as progress:
            fuzz(journal, num_workers=options.workers, findings=findings, progress=progress)
    except KeyboardInterrupt:
        print(f"\nstopped after {journal.num_done:,} inputs; the same command goes on from there")
        return 130
    found = table(journal.counts)
    print(found.text())
    num_findings = sum(count.findings for count in journal.counts.values())
    if num_findings:
        print(f"{num_findings:,} findings in {findings}; read them with --again {findings}")
    write_figures(
        options.json,
        [found],
        seed=options.seed,
        workers=options.workers,
        seconds=journal.seconds,
        sittings=journal.sittings,
        readers={name: asdict(count) for name, count in journal.counts.items()},
    )
    journal.close()
    if not any(findings.iterdir()):
        findings.rmdir()
    return 1 if num_findings else 0


def _again(findings: Path) -> int:
    failures = 0
    for finding, outcome, text in read_again(findings):
        failures += outcome not in ("accepted", "refused")
        print(f"{finding.reader} {finding.index}, {finding.file}: was {finding.kind}, is {outcome}")
        if text:
            print(text)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
