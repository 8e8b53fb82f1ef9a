"""Files that nobody vouches for: text, JSON and YAML made to break their readers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from a2m2.config import load, read_yaml
from a2m2.data import load_dataset
from a2m2.data.annotations import read_annotation
from a2m2.data.lists import read_lists
from a2m2.errors import A2M2Error, ConfigError, DataError, RecordError
from a2m2.eval.stats import read_summary
from a2m2.plain_yaml import PlainYamlError, plain_yaml
from a2m2.reading import MAX_DEPTH, UnreadableError, parse_json, read_text, shorten
from a2m2.recognition_records import read_recognition
from a2m2.records import read_episodes, read_evidence, read_run
from a2m2.settings import EvaluateSettings
from a2m2.studies.grid import cells, read_grid
from a2m2.study_records import read_study
from a2m2.train_records import read_metrics, read_training

DEEP = b"[" * 100_000
HOSTILE = {
    "not UTF-8": b"\xff\xfe\x00",
    "deep": DEEP,
    "deep but closed": DEEP + b"]" * len(DEEP),
    "no mapping": b"[1, 2]",
    "a huge integer": b'{"schema": 1, "seed": ' + b"9" * 5000 + b"}",
    "more than 64 bits": b'{"schema": 1, "seed": 9223372036854775808}',
    "a key twice": b'{"schema": 1, "schema": 1}',
    "a lone surrogate": b'{"schema": "\\ud800"}',
    "empty": b"",
}
RECORDS: dict[str, Callable[[Path], Any]] = {
    "run.json": read_run,
    "summary.json": read_summary,
    "episodes.jsonl": lambda folder: list(read_episodes(folder)),
    "evidence/0.json": read_evidence,
    "train.json": read_training,
    "metrics.jsonl": lambda folder: list(read_metrics(folder)),
    "study.json": read_study,
    "recognition.json": read_recognition,
}


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("kind", HOSTILE)
def test_records_refuse_what_is_hostile_by_the_name_of_the_file(name: str, kind: str, tmp_path: Path) -> None:
    if name.endswith("jsonl") and kind == "empty":
        pytest.skip("a file of no lines is none of its kind that is damaged")
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(HOSTILE[kind])
    with pytest.raises(RecordError) as refusal:
        RECORDS[name](tmp_path)
    assert path.name in str(refusal.value)
    assert len(str(refusal.value)) < 1000


@pytest.mark.parametrize("content", [HOSTILE["not UTF-8"], b"a/b\0c.mp4\n", b"x 1 " + b"9" * 5000])
def test_lists_are_text(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"train\.txt"):
        read_lists(path)


def test_a_line_of_blanks_takes_no_longer_than_another(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("x" + " " * 1_000_000 + "y\n")
    with pytest.raises(DataError, match=r"train\.txt:1: expected a line like|class/video"):
        read_lists(path)


def test_digits_that_are_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("id,label,time_start,time_end\nx,jump,²,³\n", encoding="utf-8")
    assert [video.path for video in read_lists(path).videos] == ["x"]


@pytest.mark.parametrize(
    "content", [b"path,class\na\0.mp4,x\n", b"path,class\n\xff.mp4,x\n", b"p" * 300_000 + b",class\n"]
)
def test_a_manifest_is_text(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"manifest\.csv") as refusal:
        load_dataset(path)
    assert len(str(refusal.value)) < 1000


@pytest.mark.parametrize("kind", ["not UTF-8", "deep", "a huge integer", "a key twice"])
def test_an_annotation_that_is_hostile(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.json"
    path.write_bytes(HOSTILE[kind])
    with pytest.raises(DataError, match=r"cannot read the annotation .*clip\.json"):
        read_annotation(path)


def test_no_more_than_the_limit_is_read() -> None:
    with pytest.raises(DataError, match=r"/dev/zero cannot be read \(it is longer than 1,000 bytes\)"):
        read_text(Path("/dev/zero"), error=DataError, cure="give another", max_bytes=1000)


def test_json_is_read_as_deep_as_ours_goes_and_more() -> None:
    assert parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None
    with pytest.raises(UnreadableError, match="deep"):
        parse_json("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2))


def test_json_numbers_come_back() -> None:
    values = [0, -1, 2**63 - 1, -(2**63) + 1, 0.1, 1e300, True, None, "x"]
    assert parse_json(json.dumps(values)) == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x [1]\nb: *x\n", "anchors"),
        ("a: *x\n", "anchors"),
        ("a: {<<: {b: 1}, c: 2}\n", None),
        ("a: !!python/object/apply:os.system [true]\n", "tag"),
        ("a: !!binary aGk=\n", "tag"),
        ("a: 1\na: 2\n", "the key a stands twice"),
        ("? [a, b]\n: 1\n", "a key must be a text or a number"),
        ("[" * 1000, "nested more than"),
        ("- " * 1000 + "x", "nested more than"),
        (f"a: {'9' * 5000}\n", "more than 64 bits"),
        ("a: 0b" + "1" * 70 + "\n", "more than 64 bits"),
        ("a: \ud800\n", "not valid YAML"),
        ("a: b: c\n", "not valid YAML"),
        ("x" * 300_000, "longer than"),
    ],
)
def test_yaml_that_is_not_plain(text: str, message: str | None) -> None:
    if message is None:
        assert plain_yaml(text) == {"a": {"<<": {"b": 1}, "c": 2}}
        return
    with pytest.raises(PlainYamlError, match=message):
        plain_yaml(text)


def test_plain_yaml_reads_plain_values() -> None:
    text = 'a: [1, 0x10, -2.5, 1e-3, .inf, true, null, ~, "1", 2001-01-01]\nb: {c: }\n3: x\n'
    assert plain_yaml(text) == {
        "a": [1, 16, -2.5, "1e-3", float("inf"), True, None, None, "1", "2001-01-01"],
        "b": {"c": None},
        3: "x",
    }


def test_copies_of_copies_are_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match=r"bomb\.yaml is not valid YAML at line 1; correct the file"):
        read_yaml(path)


@pytest.mark.parametrize(
    "text",
    [
        "methods: ['os:system']\n",
        "method: os:system\n",
        "nested: [{axes: {train.method: [a2m2_net, 'os:system']}}]\n",
        "train: {pretrain_method: 'os:system'}\n",
    ],
)
def test_a_file_names_no_code(text: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"own\.yaml: .* names code to import \(os:system\)"):
        read_yaml(path)


def test_a_grid_names_no_code_by_a_level(tmp_path: Path) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text('title: t\nevaluate: {data: x, methods: ["{code}"]}\naxes: {code: ["os:system"]}\n')
    with pytest.raises(ConfigError, match="names code to import"):
        cells(read_grid(path), tmp_path)


@pytest.mark.parametrize(
    "axes",
    [
        "{" + ", ".join(f"a{i}: {list(range(10))}" for i in range(10)) + "}",
        "{a: [" + "x" * 10_000 + "]}",
    ],
)
def test_a_grid_of_too_many_or_too_long_levels(axes: str, tmp_path: Path) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(f"title: t\nevaluate: {{data: x}}\naxes: {axes}\n")
    with pytest.raises(ConfigError, match=r"grid\.yaml: .*(combinations|characters)") as refusal:
        read_grid(path)
    assert len(str(refusal.value)) < 1000


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan"])
def test_settings_are_finite(value: str) -> None:
    with pytest.raises(ConfigError, match=r"a2\.temperature"):
        load(EvaluateSettings, None, [f"a2.temperature={value}"], data="x")


def test_a_long_unknown_key_is_shown_in_short(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    path.write_text(f"{'k' * 1000}: {'v' * 100_000}\n")
    with pytest.raises(A2M2Error, match=r"long\.yaml: unknown key") as refusal:
        load(EvaluateSettings, path, data="x")
    assert len(str(refusal.value)) < 2000


def test_what_is_shown_is_bounded() -> None:
    assert shorten("ab") == "ab"
    assert len(shorten("x" * 1_000_000)) < 250
