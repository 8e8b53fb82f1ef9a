"""The web app from end to end in a headless Chromium: two classes by upload, a recognition, a search, refusals,
and a second person beside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from a2m2.video import write_clip
from chromium import Page, chromium, find_chromium
from tiny_clips import moving_square

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="needs a chromium or google-chrome on the path"),
]
SCREENSHOTS = os.environ.get("A2M2_SCREENSHOTS", "")
"""Folder that keeps the screenshots; a temporary one when it is not set."""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    for name in ("left", "down"):
        (folder / name).mkdir(parents=True)
        for seed in range(3):
            write_clip(folder / name / f"{name}-{seed}.mp4", moving_square(name, seed))
    write_clip(folder / "new.mp4", moving_square("left", 77))
    pauses = [moving_square("still", 5)] * 3
    recording = [*pauses, moving_square("left", 8), *pauses, moving_square("down", 9), *pauses]
    write_clip(folder / "recording.mp4", np.concatenate(recording))
    (folder / "text.mp4").write_text("this is no video\n")
    (folder / "empty.mp4").write_bytes(b"")
    return folder


@contextlib.contextmanager
def server(temporary: Path) -> Iterator[str]:
    """``a2m2 serve`` in a process of its own; its address. It is told to stop as a terminal or a service would."""
    temporary.mkdir()
    command = [sys.executable, "-m", "a2m2", "serve", "--port", "0", "--no-open", "--max-upload", "20"]
    environment = {**os.environ, "TMPDIR": str(temporary), "A2M2_CACHE": str(temporary / "cache")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            line = next(line for line in process.stdout if line.startswith("http://"))
            yield line.split()[0]
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    assert list(temporary.iterdir()) == []


async def add_class(page: Page, name: str, clips: list[Path], number: int) -> None:
    await page.value(f"document.getElementById('new-class').value = {json.dumps(name)}")
    await page.value("document.querySelector('.new-class').requestSubmit()")
    await page.until(f"document.querySelectorAll('.card').length === {number}")
    await page.give_files(f".card:nth-child({number}) .drop input", clips)
    await page.until(f"document.querySelectorAll('.card:nth-child({number}) .clip').length === {len(clips)}")


async def screenshots(page: Page, name: str, folder: Path) -> None:
    for width in (390, 1280):
        for dark in (False, True):
            await page.look(width=width, dark=dark)
            await asyncio.sleep(0.4)
            await page.screenshot(folder / f"{name}-{width}-{'dark' if dark else 'light'}.png")
            wide = await page.value("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is {wide} pixels wide at {width}"


async def drive(address: str, files: Path, tmp_path: Path) -> None:
    shots = Path(SCREENSHOTS) if SCREENSHOTS else tmp_path / "screenshots"
    shots.mkdir(exist_ok=True, parents=True)
    async with chromium(tmp_path / "profile") as page:
        await page.open(address)
        await page.look(width=1280, dark=False)
        await page.until("document.body.innerText.includes('No class yet')")
        await screenshots(page, "1-empty", shots)
        for number, name in enumerate(("left", "down"), 1):
            await add_class(page, name, sorted((files / name).iterdir()), number)

        await page.give_files(".card:nth-child(1) .drop input", [files / "text.mp4", files / "empty.mp4"])
        await page.until("document.querySelectorAll('#notices .problem').length === 2")
        refusals = await page.value("document.getElementById('notices').innerText")
        assert "text.mp4 cannot be used" in refusals
        assert "empty.mp4 cannot be used: the file is empty" in refusals
        assert str(tmp_path) not in refusals
        await screenshots(page, "2-refused", shots)

        await page.value("document.getElementById('enrol').click()")
        await page.until("document.querySelector('#model progress')")
        await screenshots(page, "3-enrolling", shots)
        await page.until("document.getElementById('report')", seconds=120)
        assert "6 left-out clips" in await page.value("document.getElementById('report').innerText")

        await page.until("document.getElementById('query')")
        await page.give_files("#query", [files / "new.mp4"])
        await page.until("document.querySelector('.plan .link')", seconds=120)
        ranked = await page.value("document.querySelector('.ranking li .rank-name').textContent")
        assert ranked == "left"
        await screenshots(page, "4-recognised", shots)
        await page.value("document.querySelector('.heaviest').open = true")
        await page.value("document.querySelector('.heaviest button').focus()")
        pair = await page.value("document.querySelector('.pair').innerText")
        assert "mass" in pair
        assert "similarity" in pair
        assert " s" in pair
        await screenshots(page, "5-a-link", shots)

        await page.value("document.getElementById('kind-search').click()")
        await page.give_files("#query", [files / "recording.mp4"])
        await page.until("document.querySelector('.track')", seconds=120)
        if await page.value("document.querySelectorAll('.segment').length"):
            await page.value("document.querySelector('.segment').click()")
            assert (
                await page.value("document.querySelector('.segment').getAttribute('aria-pressed')") == "true"
            )
        await screenshots(page, "6-searched", shots)

        for path in ("api/actions.a2m2", "api/results.csv", "api/results.json"):
            size = await page.value(
                f"fetch('{path}').then((r) => r.ok ? r.blob() : null).then((b) => b.size)"
            )
            assert size > 50, path
        foreign = [url for url in page.requests if not url.startswith((address, "blob:", "data:"))]
        assert foreign == []
        assert page.complaints == []

        await see_nothing_of(page, address, files, tmp_path, shots)
        await page.value("window.confirm = () => true")
        await page.value("document.getElementById('close').click()")
        await page.until("document.body.innerText.includes('everything in it is deleted')")
        await screenshots(page, "7-closed", shots)


async def see_nothing_of(first: Page, address: str, files: Path, tmp_path: Path, shots: Path) -> None:
    """A second person with a browser of their own, beside the first one: neither sees what the other has put in."""
    theirs = await first.value("document.querySelector('.clip img').src")
    answer = await first.value("document.querySelector('.answer').id.replace('answer-', '')")
    async with chromium(tmp_path / "second") as second:
        await second.open(address)
        await second.until("document.body.innerText.includes('No class yet')")
        assert "left" not in await second.value("document.body.innerText")
        for path in (theirs, f"api/answers/{answer}", "api/actions.a2m2"):
            assert await second.value(f"fetch({json.dumps(path)}).then((answered) => answered.ok)") is False
        await add_class(second, "wave", [files / "down" / "down-1.mp4"], 1)
        await first.reload()
        await first.until("document.querySelectorAll('.card').length === 2")
        assert "wave" not in await first.value("document.body.innerText")
        await second.value("window.confirm = () => true")
        await second.value("document.getElementById('close').click()")
        await second.until("document.body.innerText.includes('everything in it is deleted')")
    await first.reload()
    await first.until("document.querySelectorAll('.clip').length === 6")


def test_end_to_end(files: Path, tmp_path: Path) -> None:
    temporary = Path(tempfile.mkdtemp(dir=tmp_path)) / "server"
    with server(temporary) as address:
        asyncio.run(drive(address, files, tmp_path))
        (root,) = temporary.iterdir()
        assert list(root.iterdir()) == []
