"""Places a user names: every refusal says what, why and what to do; a failed write leaves nothing behind."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from a2m2.checks import alone_in, atomic_path, exchange, output_file, output_folder, write_text_atomic
from a2m2.errors import OutputError


def test_output_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    assert output_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_output_folder_that_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "results"
    file.write_text("x")
    with pytest.raises(OutputError, match=f"^{re.escape(str(file))} is a file; give a folder$"):
        output_folder(file)
    below = file / "deeper"
    expected = (
        f"^cannot write {re.escape(str(below))}: a part of the path is a file; give a path whose parents are"
    )
    with pytest.raises(OutputError, match=expected):
        output_folder(below)


def test_output_file_that_could_not_be_written(tmp_path: Path) -> None:
    assert output_file(tmp_path / "a" / "actions.a2m2") == tmp_path / "a" / "actions.a2m2"
    assert list((tmp_path / "a").iterdir()) == []
    expected = f"^cannot write {re.escape(str(tmp_path))}: it is a folder; give the name of a file$"
    with pytest.raises(OutputError, match=expected):
        output_file(tmp_path)


def test_output_folder_with_foreign_files_is_refused_only_with_a_marker(tmp_path: Path) -> None:
    (tmp_path / ".hidden").write_text("")
    assert output_folder(tmp_path, marker="run.json") == tmp_path
    (tmp_path / "thesis.tex").write_text("x")
    assert output_folder(tmp_path) == tmp_path
    with pytest.raises(OutputError, match=r"holds files but no run\.json; give a new or an empty folder$"):
        output_folder(tmp_path, marker="run.json")
    (tmp_path / "run.json").write_text("{}")
    assert output_folder(tmp_path, marker="run.json") == tmp_path


def test_output_folder_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(
        OutputError, match=r"you may not write there; change the permissions or choose another"
    ):
        output_folder(tmp_path)


def test_atomic_path_replaces_the_target_only_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "new" / "clip.mp4"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".mp4"
        assert temporary.name.startswith(".")
        temporary.write_bytes(b"old")
        assert not target.exists()
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert [path.name for path in target.parent.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
def test_atomic_path_removes_the_temporary_file_on_any_failure(
    tmp_path: Path, kind: type[BaseException]
) -> None:
    target = tmp_path / "summary.json"
    target.write_text("old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise kind("stop")

    with pytest.raises(kind, match="stop"):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "the disk is full; free some space or choose another place"),
        (errno.EDQUOT, "your disk quota is used up; free some space or choose another place"),
        (errno.EFBIG, r"the file is larger than the limit set for files; raise the limit \(ulimit -f\)"),
        (errno.EROFS, "the file system is read-only; choose another place"),
    ],
)
def test_a_failed_write_is_told_in_plain_words(tmp_path: Path, number: int, text: str) -> None:
    target = tmp_path / "features.bin"

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_bytes(b"half")
            raise OSError(number, os.strerror(number))

    with pytest.raises(OutputError, match=f"^cannot write {re.escape(str(target))}: {text}"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_unforeseen_faults_keep_the_words_of_the_system(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic_path(tmp_path / "x") as temporary:
            raise OSError(errno.EBUSY, "Device or resource busy", str(temporary))

    with pytest.raises(OutputError, match=r"x: device or resource busy; check the place and try again$"):
        fail()


def test_errors_about_other_files_pass_through(tmp_path: Path) -> None:
    def read_something_else() -> None:
        with atomic_path(tmp_path / "out.json"):
            (tmp_path / "input.json").read_text()

    with pytest.raises(FileNotFoundError, match=r"input\.json"):
        read_something_else()

    def lose_the_network() -> None:
        with atomic_path(tmp_path / "out.json"):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    with pytest.raises(ConnectionRefusedError, match="Connection refused"):
        lose_the_network()


def test_targets_that_cannot_be_files(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=r"folder: it is a folder; give the name of a file$"):
        write_text_atomic(tmp_path / "folder", "x")
    (tmp_path / "file").write_text("x")
    with pytest.raises(
        OutputError, match=r"file/x: a part of the path is a file; give a path whose parents are"
    ):
        write_text_atomic(tmp_path / "file" / "x", "x")
    with pytest.raises(OutputError, match=r"the name is too long; give a shorter one$"):
        write_text_atomic(tmp_path / ("x" * 300), "x")


def test_text_is_the_same_bytes_everywhere(tmp_path: Path) -> None:
    write_text_atomic(tmp_path / "a.txt", "λ = 0.3\nend\n")
    assert (tmp_path / "a.txt").read_bytes() == "λ = 0.3\nend\n".encode()


def test_the_file_size_limit_is_an_output_error(tmp_path: Path) -> None:
    """A real limit, in a process of its own: Python ignores SIGXFSZ, so the write fails with EFBIG."""
    code = (
        "import resource, sys\n"
        "from a2m2.checks import write_text_atomic; from a2m2.errors import OutputError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "try: write_text_atomic(sys.argv[1], 'x' * 100_000)\n"
        "except OutputError as error: print(error)"
    )
    command = [sys.executable, "-B", "-c", code, str(tmp_path / "big.txt")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "big.txt: the file is larger than the limit set for files" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_readers_never_see_half_a_file(tmp_path: Path) -> None:
    target = tmp_path / "state.txt"
    texts = {letter * 200_000 for letter in "abc"}
    write_text_atomic(target, "a" * 200_000)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for text in texts:
                write_text_atomic(target, text)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert all(target.read_text() in texts for _ in range(200))
    finally:
        stop.set()
        writer.join()


def test_what_a_killed_process_left_is_used_again(tmp_path: Path) -> None:
    """Nothing piles up: the temporary name belongs to the target, and is free once its process is gone."""
    code = (
        "import os, signal, sys; from a2m2.checks import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half' * 1000)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    target = tmp_path / "summary.json"
    target.write_text("old")
    for _ in range(2):
        command = [sys.executable, "-B", "-c", code, str(target)]
        assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL
        assert target.read_text() == "old"
        assert len(list(tmp_path.iterdir())) == 2
    write_text_atomic(target, "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("summary.json", "new")]


def test_two_writers_of_one_file_have_places_of_their_own(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.txt") as one:
        one.write_text("one")
        with atomic_path(tmp_path / "a.txt") as other:
            assert other != one
            other.write_text("other")
        assert (tmp_path / "a.txt").read_text() == "other"
    assert (tmp_path / "a.txt").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_writing_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that knows none: names are drawn, and two writers do not meet."""

    def unsupported(place: int, operation: int) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr("a2m2.locks.fcntl.flock", unsupported)
    with atomic_path(tmp_path / "a.txt") as one, atomic_path(tmp_path / "a.txt") as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "a.txt").read_text() == "one"
    with alone_in(tmp_path), alone_in(tmp_path):
        pass


def test_one_process_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a2m2.checks._PATIENCE", 0.1)
    expected = (
        f"^another process is writing into {re.escape(str(tmp_path))}; wait until it has ended, or give"
    )
    with alone_in(tmp_path), pytest.raises(OutputError, match=expected), alone_in(tmp_path):
        pass
    with alone_in(tmp_path):
        code = (
            "import sys; from pathlib import Path; from a2m2.locks import try_lock\n"
            "print(try_lock(Path(sys.argv[1])))"
        )
        command = [sys.executable, "-B", "-c", code, str(tmp_path)]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "None\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot")
def test_folders_change_places_at_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    assert exchange(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a" / "file").read_text() == "b"
    with pytest.raises(FileNotFoundError, match="No such file"):
        exchange(tmp_path / "a", tmp_path / "c")
