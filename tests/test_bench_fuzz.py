"""Seeded runs over every reader, and what the bench makes of readers that fail."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from a2m2.bench.fuzz import Worker, main, read_again
from a2m2.bench.fuzzing import worker
from a2m2.bench.fuzzing.journal import JOURNAL, Journal, shares
from a2m2.bench.fuzzing.place import Chunk, Count
from a2m2.bench.fuzzing.readers import Reader, all_readers, chosen, good_files, make_input
from a2m2.bench.fuzzing.worker import Finding, judge, keep
from a2m2.errors import DataError, OutputError, RecordError
from fuzz_workers import doomed

READERS = {reader.name: reader for reader in all_readers()}
NUM_INPUTS = 200


@pytest.mark.parametrize("name", READERS)
def test_good_files_are_read(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    good_files(reader, tmp_path)
    for file in reader.files:
        assert judge(reader, tmp_path, file) == ("accepted", "")


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_or_refused_by_name(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    good = good_files(reader, tmp_path)
    outcomes = []
    for index in range(round(NUM_INPUTS * min(1, reader.share))):
        case = make_input(reader, good, 2026, index)
        (tmp_path / case.file).write_bytes(case.content)
        outcome, text = judge(reader, tmp_path, case.file)
        assert outcome in ("accepted", "refused"), f"input {index}, {case.file}: {outcome}\n{text}"
        outcomes.append(outcome)
        (tmp_path / case.file).write_bytes(good[case.file])
    # Else the damage is too small or too great to tell anything.
    assert len(set(outcomes)) == 2 or reader.name in ("digests", "feature")


def test_inputs_depend_on_seed_and_number_alone(tmp_path: Path) -> None:
    reader = READERS["results"]
    good = good_files(reader, tmp_path)
    first = [make_input(reader, good, 7, index) for index in range(50)]
    assert first == [make_input(reader, good, 7, index) for index in range(50)]
    assert first != [make_input(reader, good, 8, index) for index in range(50)]


def fails(error: Callable[[Path], BaseException]) -> Reader:
    def read(folder: Path, file: str) -> None:
        raise error(folder / file)

    return Reader("failing", lambda folder: None, ("a.txt",), lambda data, dice: data, read)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (lambda path: DataError(f"{path} is bad"), "refused"),
        (lambda path: DataError("something is bad"), "unnamed"),
        (lambda path: DataError(f"{path} {'x' * 10_000}"), "long"),
        (lambda path: ValueError(f"{path} is bad"), "error"),
        (lambda path: RecursionError(), "error"),
        (lambda path: MemoryError(), "error"),
        (lambda path: SystemExit(), "error"),
    ],
)
def test_only_our_errors_that_name_the_file_are_refusals(
    error: Callable[[Path], BaseException], outcome: str, tmp_path: Path
) -> None:
    assert judge(fails(error), tmp_path, "a.txt")[0] == outcome


def test_memory_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = iter([100.0, 700.0, 700.0])
    monkeypatch.setattr(worker, "_peak_mib", lambda: next(peaks))
    outcome, text = judge(READERS["lists"], tmp_path, "none.txt")
    assert outcome == "memory"
    assert text.startswith("600 MiB; no list ")


def test_time_is_watched(tmp_path: Path) -> None:
    def busy(folder: Path, file: str) -> None:
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass

    reader = Reader("busy", lambda _: None, (), lambda data, _: data, busy, seconds=0.3)
    outcome, text = judge(reader, tmp_path, "a.txt")
    assert (outcome, text) == ("slow", "0.2 s; ")
    # Waiting for a turn on a crowded machine is no fault of the reader.
    waits = Reader("waits", lambda _: None, (), lambda data, _: data, lambda *_: time.sleep(0.3), seconds=0.3)
    assert judge(waits, tmp_path, "a.txt") == ("accepted", "")


def test_every_input_is_shared_out_once(tmp_path: Path) -> None:
    given = list(Journal(tmp_path, shares(chosen(["lists", "grid", "digests"]), 7000), 3).waiting())
    total: dict[str, int] = {}
    for chunk in given:
        assert chunk.first == total.get(chunk.reader, 0)
        total[chunk.reader] = chunk.end
    assert total == {"lists": 4667, "grid": 1167, "digests": 1167}


def test_a_worker_that_dies_or_hangs_is_a_finding_and_the_rest_is_read(tmp_path: Path) -> None:
    findings = tmp_path / "findings"
    one = Worker(tmp_path / "work", findings, serve=doomed)
    try:
        one.ask(Chunk("lists", 0, 0, 8))
        count, rest = one.answer()
        assert (count.inputs, count.accepted, count.findings) == (4, 3, 1)
        assert rest == Chunk("lists", 0, 4, 8)
        one.ask(rest)
        while not one.place.overdue:
            time.sleep(0.05)
        count, rest = one.stopped()
        assert (count.inputs, count.accepted, count.findings) == (2, 1, 1)
        assert rest == Chunk("lists", 0, 6, 8)
        one.ask(rest)
        assert one.answer()[1] is None
        # Ended by someone else: the input is read again.
        one.ask(Chunk("lists", 0, 9, 11))
        count, rest = one.answer()
        assert (count.inputs, count.findings, rest) == (1, 0, Chunk("lists", 0, 10, 11))
    finally:
        one.close()
    kept = [json.loads(note.read_text()) for note in sorted(findings.glob("*/finding.json"))]
    assert [(one["index"], one["kind"]) for one in kept] == [(3, "crash"), (5, "hang")]
    assert kept[0]["text"] == "exit code 7"
    assert (findings / "lists-0-3" / "case" / "a.txt").read_text() == "damaged"


def test_a_finding_is_read_again(tmp_path: Path) -> None:
    reader = READERS["annotation"]
    good_files(reader, tmp_path / "files")
    keep(
        Finding("annotation", 0, 4, "clip.json", "error", "it was bad"),
        tmp_path / "files",
        tmp_path / "found",
    )
    ((finding, outcome, _),) = read_again(tmp_path / "found")
    assert (finding.index, outcome) == (4, "accepted")


def test_the_program_counts_every_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (
        f"--inputs 60 --reader lists --reader annotation --seed 1 --findings {tmp_path / 'found'} "
        f"--json {tmp_path / 'fuzz.json'}"
    )
    assert main(arguments.split()) == 0
    figures = json.loads((tmp_path / "fuzz.json").read_text())["readers"]
    assert {name: count["inputs"] for name, count in figures.items()} == {"lists": 40, "annotation": 20}
    for count in figures.values():
        assert count["accepted"] + count["refused"] == count["inputs"]
        assert count["findings"] == 0
    assert "lists" in capsys.readouterr().out
    assert not (tmp_path / "found").exists()


def test_a_run_goes_on_after_what_was_read(tmp_path: Path) -> None:
    plan = {"lists": 1200, "grid": 700}
    first = Journal(tmp_path, plan, 3)
    chunks = list(first.waiting())
    # One that died over input 120, the rest of it not read yet, and one read whole, out of order.
    first.add(chunks[3], Count(200, 150, 50, 0, 2.5), 4.0)
    first.add(chunks[0], Count(121, 100, 20, 1, 1.5), 7.0)
    again = Journal(tmp_path, plan, 3)
    assert (again.num_done, again.seconds, again.sittings) == (321, 7.0, 2)
    assert again.counts == {"lists": Count(121, 100, 20, 1, 1.5), "grid": Count(200, 150, 50, 0, 2.5)}
    read = {("lists", index) for index in range(121)} | {("grid", index) for index in range(500, 700)}
    for chunk in again.waiting():
        for index in range(chunk.first, chunk.end):
            assert (chunk.reader, index) not in read
            read.add((chunk.reader, index))
    assert len(read) == 1900


def test_a_program_that_was_stopped_goes_on_and_counts_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    findings, figures = tmp_path / "found", tmp_path / "fuzz.json"
    command = f"--inputs 1300 --reader lists --findings {findings} --json {figures}".split()

    def stop(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("a2m2.bench.fuzz.show_progress", lambda: contextlib.nullcontext(stop))
        assert main(command) == 130
    assert "stopped after 500 inputs; the same command goes on" in capsys.readouterr().out
    assert not figures.exists()
    with pytest.raises(SystemExit) as refused:
        main([*command, "--seed", "1"])
    assert refused.value.code == 2
    assert "progress.json belongs to a run with another number of inputs" in capsys.readouterr().err
    assert main(command) == 0
    assert "going on after 500 inputs that were read before" in capsys.readouterr().out
    content = json.loads(figures.read_text())
    assert (content["readers"]["lists"]["inputs"], content["sittings"]) == (1300, 2)
    assert not findings.exists()


@pytest.mark.parametrize("text", ["", "[]", '{"seed": 3}', "{" * 5000])
def test_progress_that_cannot_be_read_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text(text)
    with pytest.raises(
        RecordError, match=r"progress\.json cannot be read as the progress of a run; remove it"
    ):
        Journal(tmp_path, {"lists": 10}, 3)


def test_progress_of_another_run_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path, {"lists": 10}, 3).add(Chunk("lists", 3, 0, 10), Count(10, 10), 1.0)
    with pytest.raises(OutputError, match=r"progress\.json belongs to a run with another number of inputs"):
        Journal(tmp_path, {"lists": 11}, 3)


def test_an_unknown_reader_is_named() -> None:
    with pytest.raises(LookupError, match="no reader 'list'; known are lists, "):
        chosen(["list"])
