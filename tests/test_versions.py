"""Versions of packages."""

from __future__ import annotations

import platform
from importlib.metadata import version

import pytest

from a2m2 import versions


def test_packages_that_are_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "_PACKAGES", ("numpy", "no-package-of-this-name", "torch"))
    expected = {"python": platform.python_version(), "numpy": version("numpy"), "torch": version("torch")}
    assert versions.versions() == expected
