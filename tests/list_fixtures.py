"""Small lists for tests: files of lines, and trees of empty videos."""

from __future__ import annotations

from pathlib import Path


def write_lists(folder: Path, **lines: list[str]) -> Path:
    """``folder/NAME.txt`` for each ``NAME=[line, ...]``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in lines.items():
        (folder / f"{name}.txt").write_text("".join(f"{line}\n" for line in content), encoding="utf-8")
    return folder


def write_tree(root: Path, *names: str) -> Path:
    """Empty files at ``root/NAME``."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root
