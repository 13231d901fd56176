# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Frames are made, and packs hashed, in a thread: it takes as long as all the rest of a scan, and lets others run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

from . import frames, sealing
from .keys import Lock

AT_ONCE: Final = 512 * 1024
"""Plain bytes that are handed to the thread together: single messages would spend their time on being handed over."""


class Plain(NamedTuple):
    """What becomes a frame."""

    kind: int
    digest: bytes
    """SHA-256 of data."""
    data: bytes
    lock: Lock | None = None
    """What it is encrypted with; None for nothing."""

    @property
    def name(self) -> bytes:
        """The digest in the frame's header."""
        return self.digest if self.lock is None else self.lock.name

    @property
    def weight(self) -> int:
        """Bytes that it takes at most as a frame."""
        return frames.HEADER_SIZE + len(self.data) + (sealing.TAG_SIZE if self.lock else 0)


class Encoder:
    """Makes frames, which come out in the order in which their contents went in."""

    def __init__(self) -> None:
        self.weight = 0
        """Plain bytes that went in and did not come out yet."""
        self._thread: ThreadPoolExecutor | None = None
        self._gathered: list[Plain] = []
        self._gathered_weight = 0
        self._begun: deque[tuple[Sequence[Plain], Future[list[bytes]]]] = deque()

    def put(self, plain: Plain) -> None:
        """Put in what is to become a frame."""
        self._gathered.append(plain)
        self._gathered_weight += plain.weight
        self.weight += plain.weight
        if self._gathered_weight >= AT_ONCE:
            self._begin()

    def take(self, leave: int) -> Iterator[tuple[Plain, bytes]]:
        """Yield frames with what they were made of: those that are ready, and more until few are left.

        :param leave: plain bytes that may stay inside; 0 for none, so that all is yielded.
        """
        if not leave:
            self._begin()
        while self._begun and (self.weight > leave or self._begun[0][1].done()):
            batch, made = self._begun.popleft()
            for plain, frame in zip(batch, made.result()):
                self.weight -= plain.weight
                yield plain, frame

    def run(self, call: Callable[[bytes], object], data: bytes) -> Future[object]:
        """Do something else in the thread, after what was begun before; the result says when it is done."""
        return self._pool().submit(call, data)

    def close(self) -> None:
        """End the thread. What is inside is lost."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = None

    def _begin(self) -> None:
        if not self._gathered:
            return
        self._begun.append((self._gathered, self._pool().submit(_encode, self._gathered)))
        self._gathered = []
        self._gathered_weight = 0

    def _pool(self) -> ThreadPoolExecutor:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "encode-frames")
        return self._thread


def _encode(batch: Sequence[Plain]) -> list[bytes]:
    return [frames.encode(plain.kind, plain.data, plain.digest, plain.lock) for plain in batch]
