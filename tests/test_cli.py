"""The command line: help without torch, errors in one line, exit codes, nothing half-written."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from a2m2.cli.main import main
from tiny_clips import make_dataset
from training_records import Course, write_training

COMMANDS = (
    "demo",
    "enrol",
    "recognize",
    "serve",
    "spot",
    "watch",
    "index",
    "search",
    "synth",
    "pretrain",
    "train",
    "evaluate",
    "compare",
    "ablate",
    "episodes",
    "report",
    "info",
    "reproduce",
    "data check",
    "data import",
    "bench",
)
FAST = ("--set", "video.resize=48", "--set", "video.crop=48", "--way", "3", "--episodes", "20")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    splits = {"train": ["still"], "test": ["right", "left", "down"]}
    return make_dataset(tmp_path_factory.mktemp("data") / "squares", splits=splits, clips_per_class=3)


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Exit status of ``a2m2 ARGUMENTS``."""
    monkeypatch.setattr(sys, "argv", ["a2m2", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr that is an error."""
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    return errors[0]


def test_help_never_imports_torch() -> None:
    code = (
        "import sys; sys.argv = ['a2m2', '--help']\n"
        "from a2m2.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'matplotlib', 'transformers', 'av'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_shows_examples(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *command.split(), "--help") == 0
    assert f"a2m2 {command}" in capsys.readouterr().out.split("Examples", 1)[1]


def test_evaluate_compare_report_info(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = ("evaluate", "--data", data, "--cache", tmp_path / "cache", *FAST)
    assert call(monkeypatch, *shared, "--out", tmp_path / "one") == 0
    assert call(monkeypatch, *shared, "--out", tmp_path / "two", "--set", "a2.weights=uniform") == 0
    assert "a2m2_net" in capsys.readouterr().out
    assert call(monkeypatch, "compare", tmp_path / "one", tmp_path / "two") == 0
    assert "difference" in capsys.readouterr().out
    assert call(monkeypatch, "report", tmp_path / "one", tmp_path / "two") == 0
    assert (tmp_path / "one" / "report.html").stat().st_size > 10_000
    for path, expected in (
        (tmp_path / "one", "backbone motion-filters"),
        (data, "test: 9 clips, 3 classes"),
        (next(data.rglob("*.mp4")), "16 frames"),
    ):
        assert call(monkeypatch, "info", path) == 0
        assert expected in capsys.readouterr().out


def test_info_and_report_on_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = write_training(tmp_path / "done", Course(notes=("Few clips.",)))
    assert done.best is not None
    assert call(monkeypatch, "info", tmp_path / "done") == 0
    assert capsys.readouterr().out.splitlines() == [
        "training by classification of base classes (pretrain), method a2m2_net",
        "data tiny-actions: 64 base classes with 1280 clips (train), 12 validation classes with 240 clips (val)",
        "steps 400 of 400, done",
        f"best validation {100 * done.best.accuracy:.2f} ± 2.00 % at step {done.best.step}, 500 episodes, "
        "5-way 1-shot; chance 20.0 %",
        "started from the backbone's own weights, 1234567 parameters trained",
        "weights aabbccddeeff0011, config 0123456789abcdef, data fedcba9876543210",
        "a2m2 0.1.0, torch 2.13.0",
        "note: Few clips.",
    ]
    write_training(tmp_path / "begun", Course("meta", reached=20, start="beef"))
    assert call(monkeypatch, "info", tmp_path / "begun") == 0
    printed = capsys.readouterr().out
    assert "steps 20 of 400, not finished; go on with --resume if it was interrupted" in printed
    assert "best validation: none yet" in printed
    assert "started from weights beef" in printed
    assert call(monkeypatch, "report", tmp_path / "done", tmp_path / "begun") == 0
    assert 'id="training2"' in (tmp_path / "done" / "report.html").read_text()


@pytest.mark.parametrize("arguments", [("fish",), ("evaluate", "--fish")])
def test_unknown_commands_and_options_show_how_to_ask(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *arguments) == 2
    printed = capsys.readouterr().err
    assert "No such" in printed
    assert "Usage: a2m2" in printed


def test_ctrl_c_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("a2m2.synth.generate", interrupted)
    assert call(monkeypatch, "synth", tmp_path / "clips") == 130
    assert (
        "stopped; what was finished is kept and the same command continues from it" in capsys.readouterr().err
    )


@pytest.mark.parametrize("command", ["pretrain", "train"])
def test_ctrl_c_in_a_training_names_resume(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("a2m2.train.launch.train_on_devices", interrupted)
    assert call(monkeypatch, command, "--data", tmp_path, "--out", tmp_path / "run") == 130
    assert "the same command with --resume goes on from the last checkpoint" in capsys.readouterr().err


def test_dry_run_writes_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache, out = tmp_path / "cache", tmp_path / "out"
    assert call(monkeypatch, "evaluate", "--data", data, "--cache", cache, "-o", out, *FAST, "--dry-run") == 0
    assert "9 of 9 test clips still to embed" in capsys.readouterr().out
    assert not out.exists()


def test_wrong_places_and_names(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "weightless").mkdir()
    (tmp_path / "weightless" / "config.json").write_text('{"model_type": "mobilenet_v2"}')
    shared = ("evaluate", "--cache", tmp_path / "cache", *FAST)
    cases: list[tuple[tuple[object, ...], str]] = [
        ((*shared, "--data", tmp_path / "none"), "none"),
        (("evaluate",), "data: field required"),
        ((*shared, "--data", data, "--out", tmp_path / "file"), "file is a file; give a folder"),
        ((*shared, "--data", data, "--set", "protocol.wya=3"), "did you mean 'protocol.way'?"),
        ((*shared, "--data", data, "--split", "tset"), "did you mean 'test'?"),
        ((*shared, "--data", data, "--shot", "3"), "right"),
        ((*shared, "--data", data, "--backbone", tmp_path / "weightless"), "model.safetensors"),
        (("compare", tmp_path, tmp_path), "holds no run.json"),
        (("report", tmp_path), "holds no run.json"),
        (("info", tmp_path / "none"), "none"),
    ]
    for arguments, expected in cases:
        assert call(monkeypatch, *arguments) == 1, arguments
        assert expected in error_line(capsys), arguments


def test_empty_class_and_text_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_dataset(tmp_path / "data", splits={"": ["right", "left", "down"]}, clips_per_class=2)
    arguments = ("evaluate", "--data", root, "--cache", tmp_path / "cache", *FAST)
    (root / "jump").mkdir()
    assert call(monkeypatch, *arguments) == 1
    assert "jump" in error_line(capsys)
    (root / "jump").rmdir()
    (root / "left" / "00.mp4").write_text("hello\n")
    assert call(monkeypatch, *arguments) == 1
    assert "left/00.mp4" in error_line(capsys)


def test_a_write_that_hits_the_file_size_limit(data: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    command = [sys.executable, "-m", "a2m2", "evaluate", "--data", data, "--cache", tmp_path / "cache", *FAST]
    done = subprocess.run(
        [*map(str, command), "--out", str(tmp_path / "out")],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_CACHE_DIR": str(tmp_path / "numba")},
    )
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "the file is larger than the limit set for files; raise the limit" in errors[0]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.rglob(".tmp-*"))
