# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ahead: what comes next is read in the background while what came before is being written."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

_T = TypeVar("_T")


class _End:
    """What the background thread puts last: the error that ended it, if one did."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Ahead(Generic[_T]):
    """A context manager that yields what an iterator yields, which runs in a thread of its own.

    No more than depth results wait to be fetched. What the iterator raises is raised to the one who fetches. The
    iterator is closed, in its thread, when the context is left.
    """

    def __init__(self, items: Iterator[_T], depth: int = 1) -> None:
        self._items = items
        self._ready: queue.Queue[_T | _End] = queue.Queue(depth)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)

    def __enter__(self) -> Iterator[_T]:
        self._thread.start()
        return self._fetch()

    def __exit__(self, *exception: object) -> None:
        self._left.set()
        while self._thread.is_alive():
            try:  # make room for a result that nobody wants any more
                self._ready.get(timeout=0.02)
            except queue.Empty:
                pass

    def _fetch(self) -> Iterator[_T]:
        while True:
            item = self._ready.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def _run(self) -> None:
        error = None
        try:
            for item in self._items:
                self._ready.put(item)
                if self._left.is_set():
                    break
            close = getattr(self._items, "close", None)
            if close is not None:
                close()
        except BaseException as caught:  # whatever it is belongs to the one who fetches
            error = caught
        self._ready.put(_End(error))
