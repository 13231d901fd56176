# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An S3 server behind a proxy that numbers every request and at one of them does what networks, stores and kills do.

Both run in a process of their own, so that the process which uses this has one thread and may fork. It is told what to
do by lines of JSON.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from tests.servers.endpoint import Endpoint
from tests.servers.faulty_proxy import (
    DATED,
    DENIED,
    DRIP,
    DROP,
    ERROR_500,
    EXPIRED,
    FLIP,
    GHOST,
    KILL_AFTER,
    KILL_BEFORE,
    LOSE,
    MISSING,
    SHORT,
    SKEWED,
    SLOW_DOWN,
    TRUNCATE,
    UNCONDITIONAL,
    UNLISTED,
    FaultyProxy,
    faulty_proxy,
)
from tests.servers.moto_server import moto_server

_LISTING: Final = "list-type="

ONCE: Final = 1
FOR_GOOD: Final = 1_000_000

KINDS: Final = (
    (KILL_BEFORE, ONCE), (KILL_AFTER, ONCE), (ERROR_500, ONCE), (ERROR_500, FOR_GOOD), (SLOW_DOWN, 2),
    (SLOW_DOWN, FOR_GOOD), (DROP, ONCE), (DROP, FOR_GOOD), (LOSE, ONCE), (LOSE, FOR_GOOD), (TRUNCATE, ONCE),
    (TRUNCATE, FOR_GOOD), (FLIP, ONCE), (FLIP, FOR_GOOD), (SHORT, ONCE), (SHORT, FOR_GOOD), (DRIP, FOR_GOOD),
    (MISSING, ONCE), (MISSING, FOR_GOOD), (UNLISTED, ONCE), (GHOST, ONCE), (SKEWED, ONCE), (SKEWED, FOR_GOOD),
    (EXPIRED, FOR_GOOD), (DENIED, ONCE), (DENIED, FOR_GOOD), (DATED, FOR_GOOD), (UNCONDITIONAL, FOR_GOOD),
)
"""What can happen, and to how many requests from one on."""


class Mishap(NamedTuple):
    """What happens to the store's requests."""

    at: int = 0
    """From which request on, counted from 1; 0 for never. It meets the next ones that it can happen to."""
    fault: str = ""
    times: int = ONCE

    def kind(self) -> str:
        """Return what happens, without where."""
        how_often = {ONCE: "", FOR_GOOD: " for good"}.get(self.times, f" {self.times} times")
        return f"{self.fault}{how_often}" if self.fault else "nothing"

    def __str__(self) -> str:
        return f"{self.kind()} from request {self.at}"


NO_MISHAP: Final = Mishap()


def concerns(fault: str, method: str, path: str) -> bool:
    """Return whether a fault can happen to a request."""
    listing = _LISTING in path
    if fault in (TRUNCATE, FLIP, SHORT, DRIP):
        return method == "GET"
    if fault == MISSING:
        return method in ("GET", "HEAD") and not listing and path.partition("?")[0].count("/") > 1
    if fault in (UNLISTED, GHOST):
        return listing
    if fault == UNCONDITIONAL:
        return method == "PUT"
    return True


@dataclasses.dataclass
class _Numbered:
    """Decides by the number of a request."""

    mishap: Mishap = NO_MISHAP
    group: int = 0
    """The process group that is killed."""
    count: int = 0
    missing: str = ""
    """The file that is missing for good."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def decide(self, method: str, path: str) -> str:
        with self._lock:
            self.count += 1
            at, fault, times = self.mishap
            if not at or self.count < at or not times or not concerns(fault, method, path):
                return ""
            if fault == MISSING and times > ONCE:  # one file, and not all
                self.missing = self.missing or path
                return fault if path == self.missing else ""
            self.mishap = Mishap(at, fault, times - 1)
            return fault

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.group, signal.SIGKILL)


class Layer:
    """The store and its proxy, seen from the process that uses them."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        begun = self._answer()
        self.store = Endpoint(*begun["store"])
        """The store itself, where nothing happens."""
        self.url: str = begun["url"]
        """The proxy's."""

    def plan(self, mishap: Mishap, group: int = 0, seed: int = 0) -> None:
        """Begin to count anew. :param group: the process group to kill. :param seed: of what is altered, and where."""
        self._ask({"plan": mishap, "group": group, "seed": seed})

    def seen(self) -> list[tuple[str, str]]:
        """Return method and path of each request since then."""
        return list(map(tuple, self._ask({"seen": True})["seen"]))

    def _ask(self, words: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("The S3 layer has ended.")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextlib.contextmanager
def s3_layer(store: Endpoint | None = None) -> Iterator[Layer]:
    """A store and its proxy for as long as the with statement lasts.

    :param store: a server that runs already; None for moto.
    """
    command = [sys.executable, "-m", "tests.torture.s3_layer", *(store or ())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Layer(process)
        finally:
            process.kill()


def main(store: list[str]) -> None:
    """Be that process: obey lines on standard input."""
    logging.disable(logging.CRITICAL)  # moto tells of each of its own mishaps; to who asks they are an answer 500
    with contextlib.ExitStack() as opened:
        endpoint = Endpoint(*store) if store else opened.enter_context(moto_server())
        proxy = opened.enter_context(faulty_proxy(endpoint.url))
        if not store:
            proxy.turn = threading.Lock()  # moto loses its way, and its conditions, where requests meet
        _tell({"url": proxy.url, "store": endpoint})
        for line in sys.stdin:
            _tell(_obey(proxy, json.loads(line)))


def _obey(proxy: FaultyProxy, words: dict[str, Any]) -> dict[str, Any]:
    if "plan" in words:
        numbered = _Numbered(Mishap(*words["plan"]), words["group"])
        proxy.seen.clear()
        proxy.chance.seed(words["seed"])
        proxy.decide, proxy.kill = numbered.decide, numbered.kill
    return {"seen": list(proxy.seen)}


def _tell(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
