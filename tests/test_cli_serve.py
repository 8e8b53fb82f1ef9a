"""``a2m2 serve`` before it runs: what is missing, what does not go together, and a port that is taken."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from test_cli import call, error_line


def test_the_extra_is_named_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("a2m2.web")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    assert call(monkeypatch, "serve", "--no-open") == 1
    assert error_line(capsys) == "error: the web app needs aiohttp; run: pip install 'a2m2[web]'"


def test_what_cannot_be_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [
        ((tmp_path / "none.a2m2",), "no recogniser"),
        ((tmp_path / "none.a2m2", "--weights", "a"), "leave out --weights and --backbone"),
        (("--weights", tmp_path / "none"), "none"),
    ]
    for arguments, expected in cases:
        assert call(monkeypatch, "serve", "--no-open", *arguments) == 1
        assert expected in error_line(capsys)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert call(monkeypatch, "serve", "--no-open", "--port", port) == 1
        assert f"cannot listen on 127.0.0.1, port {port} (" in error_line(capsys)
