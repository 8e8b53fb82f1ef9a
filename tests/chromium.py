"""A headless Chromium, driven by the Chrome DevTools protocol over one websocket."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_chromium() -> str | None:
    """The first Chromium or Chrome on the path."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._loaded = False
        self.requests: list[str] = []
        self.complaints: list[str] = []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of one command; events that come before it are looked at."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = await self._receive()
            if message.get("id") == self._number:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self._note(message)

    async def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads((await self._socket.receive(timeout=60)).data)
        return message

    def _note(self, event: dict[str, Any]) -> None:
        if event.get("method") == "Page.loadEventFired":
            self._loaded = True
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(event["params"]["request"]["url"])
        if event.get("method") == "Runtime.exceptionThrown":
            details = event["params"]["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        if event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
            entry = event["params"]["entry"]
            # Refusals answer with an HTTP error on purpose; all other complaints (a policy broken, say) are faults.
            if entry["source"] != "network":
                self.complaints.append(entry["text"])

    async def open(self, address: str) -> None:
        """Go to an address, with events on, and wait until it is loaded."""
        for domain in ("Page", "Runtime", "Network", "DOM", "Log"):
            await self.call(f"{domain}.enable")
        await self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        await self._load("Page.navigate", url=address)

    async def reload(self) -> None:
        """Load the page again."""
        await self._load("Page.reload")

    async def _load(self, method: str, **parameters: Any) -> None:
        self._loaded = False
        await self.call(method, **parameters)
        while not self._loaded:
            self._note(await self._receive())

    async def value(self, expression: str) -> Any:
        """What an expression gives, awaited."""
        result = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in result, (expression, result)
        return result["result"].get("value")

    async def until(self, expression: str, *, seconds: float = 60) -> None:
        """Wait until an expression is true."""
        for _ in range(int(seconds / 0.1)):
            found = await self.value(f"Boolean({expression})")
            if found:
                return
            await asyncio.sleep(0.1)
        shown = await self.value("document.body.innerText")
        raise AssertionError(f"waited {seconds} s for {expression}; the page shows:\n{shown}")

    async def give_files(self, selector: str, paths: Sequence[Path]) -> None:
        """Choose files in a file input."""
        document = await self.call("DOM.getDocument")
        node = await self.call("DOM.querySelector", nodeId=document["root"]["nodeId"], selector=selector)
        await self.call("DOM.setFileInputFiles", files=[str(path) for path in paths], nodeId=node["nodeId"])

    async def look(self, *, width: int, dark: bool) -> None:
        """Set the width of the window and the colour scheme."""
        phone = width < 600
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1, mobile=phone
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def screenshot(self, path: Path) -> None:
        """The whole page as PNG."""
        size = (await self.call("Page.getLayoutMetrics"))["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        taken = await self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(taken["data"]))


@contextlib.asynccontextmanager
async def chromium(profile: Path) -> AsyncIterator[Page]:
    """A browser with a profile of its own, and its first tab."""
    command = [
        str(find_chromium()),
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--no-first-run",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        "about:blank",
    ]
    environment = {**os.environ, "HOME": str(profile.parent)}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        try:
            port = await _port(profile / "DevToolsActivePort", process)
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                    tabs = await response.json()
                tab = next(tab for tab in tabs if tab["type"] == "page")
                address = tab["webSocketDebuggerUrl"]
                async with session.ws_connect(address, max_msg_size=0) as socket:
                    yield Page(socket)
        finally:
            process.terminate()
            process.wait(20)


async def _port(file: Path, process: subprocess.Popen[bytes]) -> int:
    for _ in range(600):
        if file.is_file() and len(lines := file.read_text().splitlines()) == 2:
            return int(lines[0])
        assert process.poll() is None, "Chromium ended before it listened"
        await asyncio.sleep(0.1)
    raise AssertionError("Chromium does not listen")
