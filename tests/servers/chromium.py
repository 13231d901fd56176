# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real browser without a window: Debian's Chromium, driven over a pipe by the DevTools protocol.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from . import daemon

PACKAGES = {"chromium": "chromium", "pdftotext": "poppler-utils"}
WIDTH, HEIGHT = 1000, 1200
# It is to ask nobody for anything by itself: what it asks for is asked by the page.
QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--remote-debugging-pipe", f"--window-size={WIDTH},{HEIGHT}",
)


def missing() -> str:
    """Return why there is no browser here; empty where there is one, which is installed first where that is allowed."""
    return daemon.missing(PACKAGES)


class Page:
    """A page that is shown, and all that it has done since it was opened."""

    def __init__(self, requests: int, answers: int) -> None:
        """:param requests: the pipe that the browser reads. :param answers: the one that it writes."""
        self._requests = requests
        self._answers = answers
        self._received = b""
        self._number = 0
        self._session: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Network", "Log", "Runtime"):
            self._ask(f"{domain}.enable")

    def open(self, path: Path) -> None:
        """Show a file, and wait until it has been loaded."""
        self.events.clear()
        self._ask("Page.navigate", url=path.as_uri())
        deadline = time.monotonic() + daemon.PATIENCE
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            assert time.monotonic() < deadline, "the page is not loaded"
            self._hear()
        time.sleep(0.2)  # what it does afterwards belongs to it as well
        self._ask("Runtime.evaluate", expression="1")

    def requested(self) -> list[str]:
        """Return the addresses of all that was asked for, the page itself among them."""
        return [
            str(event["params"]["request"]["url"]) for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[str]:
        """Return what the browser has written to its console, and what scripts have failed with."""
        told = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [json.dumps(event["params"]) for event in self.events if event["method"] in told]

    def dialogs(self) -> list[str]:
        """Return what the page has asked people."""
        return [event["method"] for event in self.events if event["method"] == "Page.javascriptDialogOpening"]

    def value(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript in the page."""
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def prefer(self, scheme: str, media: str = "") -> None:
        """Have the page seen by somebody who prefers light or dark. :param media: "print", or empty for a screen."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._ask("Emulation.setEmulatedMedia", media=media, features=[feature])

    def width(self, pixels: int) -> None:
        """Show the page in a window of another width."""
        self._ask(
            "Emulation.setDeviceMetricsOverride", width=pixels, height=HEIGHT, deviceScaleFactor=1, mobile=False,
        )

    def picture(self, height: int = HEIGHT) -> bytes:
        """Return what is in the window down to a height, PNG."""
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1}
        answer = self._ask("Page.captureScreenshot", format="png", clip=clip)
        return base64.b64decode(answer["data"])

    def printed(self) -> bytes:
        """Return the page on paper, PDF."""
        return base64.b64decode(self._ask("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"])

    def _ask(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        number = self._number
        message = json.dumps({"id": number, "method": method, "params": parameters, **self._session}).encode() + b"\0"
        while message:
            message = message[os.write(self._requests, message):]
        while True:
            answer = self._hear()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def _hear(self) -> dict[str, Any]:
        """Return the next message; an event is kept, too."""
        while b"\0" not in self._received:
            data = os.read(self._answers, 1 << 20)
            assert data, "the browser has ended"
            self._received += data
        first, _end, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        if "method" in message:
            self.events.append(message)
        return message


def sheets(pdf: bytes) -> int:
    """Return how many pages a PDF of the browser has."""
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def text(pdf: bytes) -> str:
    """Return what stands on the pages of a PDF, line by line as it stands there."""
    done = subprocess.run(["pdftotext", "-layout", "-", "-"], input=pdf, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


@contextlib.contextmanager
def browser() -> Iterator[Page]:
    """Let a browser run for as long as the with statement lasts."""
    profile = Path(tempfile.mkdtemp(prefix="chromium-"))
    hears, asks = os.pipe()
    answers, tells = os.pipe()
    with (profile / "log").open("wb") as log:
        process = subprocess.Popen(
            _command([*QUIET, f"--user-data-dir={profile}"], hears, tells), pass_fds=(hears, tells),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, "HOME": str(profile)},
        )
    os.close(hears)
    os.close(tells)
    try:
        yield Page(asks, answers)
    finally:
        os.close(asks)
        os.close(answers)
        daemon.end(process, signal.SIGKILL)
        shutil.rmtree(profile, ignore_errors=True)


def _command(options: Sequence[str], hears: int, tells: int) -> list[str]:
    """Return the command of a browser that finds its pipes where it looks for them, at 3 and 4."""
    program = shutil.which("chromium")
    assert program is not None
    move = f'eval "exec 13<&{hears} 14>&{tells}"; exec "$@" 3<&13 4>&14'
    return ["bash", "-c", move, "browser", program, *options]
