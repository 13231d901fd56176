# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a target is, and how it is given inputs: in a process of its own, with a deadline and a bound on its memory.

An input is made from the seed, the target's name and its number alone, so that each can be made again. A finding is an
error that is none of ours, an input that takes too long or too much memory, or a process that dies of it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import mmap
import os
import random
import resource
import select
import shutil
import signal
import struct
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import RestanteError

from . import mutate

MIB: Final = 1 << 20
SCRATCH: Final = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where the files of targets lie: in memory, so that no disk is waited for; None for the usual place."""
_ADDRESSES: Final = 4 << 30
"""Bytes of addresses that a process may take beyond what it had: what asks for more gets none, and must say so."""
_PATIENCE: Final = 5
"""Times that, by the clock, after which it hangs: other processes want the processor too."""
_LONGEST_ROW: Final = 3
"""Hangs and deaths of one target after which the rest of its inputs is left: each costs its whole deadline."""
_STATE: Final = struct.Struct("qdqqdqdq")
"""Number of the present input, when it was begun, inputs read, refused, slowest and which, largest and which."""

Call = Callable[[bytes], object]


class Target(NamedTuple):
    """Something that reads what others wrote."""

    name: str
    seeds: Callable[[], Sequence[bytes]]
    """Gives valid inputs. Asked once, before any process begins."""
    begin: Callable[[Path], Call]
    """Given an empty directory, makes ready what is needed and returns what reads one input."""
    mutate: mutate.Mutator = mutate.octets
    seconds: float = 10
    """Of a processor's time, in which an input must have been read."""
    spare: int = 64 * MIB
    """Bytes of memory that it may take ..."""
    times: int = 64
    """... beside so many for each of its own."""

    def input(self, seeds: Sequence[bytes], seed: int, number: int) -> bytes:
        """Return an input: the seeds themselves first, then what becomes of them."""
        if number < len(seeds):
            return seeds[number]
        chance = random.Random(f"{seed} {self.name} {number}")
        return self.mutate(chance, chance.choice(seeds), seeds)

    def bound(self, data: bytes) -> int:
        """Return the bytes of memory that an input may take."""
        return self.spare + self.times * len(data)


class Finding(NamedTuple):
    """A fault."""

    target: str
    number: int
    """Of the first input that shows it; -1 for one from a file."""
    what: str
    file: str
    """The input."""
    times: int = 1


class Outcome(NamedTuple):
    """What came of the inputs of one target."""

    target: str
    inputs: int
    refused: int
    seconds: float
    slowest: float
    """Seconds of the slowest input."""
    largest: int
    """Bytes of memory that the largest one took."""
    findings: Sequence[Finding]


class _Process:
    """A process that reads inputs, watched."""

    def __init__(
        self, target: Target, inputs: Callable[[int], bytes], first: int, count: int, state: mmap.mmap
    ) -> None:
        self._scratch = tempfile.mkdtemp(prefix="restante-fuzz-", dir=SCRATCH)
        self._stack = os.path.join(self._scratch, "stack")
        self._state = state
        self._target = target
        self._pipe, theirs = os.pipe()
        _STATE.pack_into(state, 0, first, time.monotonic(), *_STATE.unpack_from(state)[2:])
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._pipe)
            _be_the_reader(target, inputs, first, count, state, theirs, self._scratch)
        os.close(theirs)
        self._heard = b""

    def watch(self, hear: Callable[[int, str], None]) -> str:
        """Hear of the findings until it ends; return why it ended before it should, or nothing."""
        try:
            while True:
                if select.select([self._pipe], [], [], 0.2)[0]:
                    data = os.read(self._pipe, 1 << 16)
                    if not data:
                        status = os.waitpid(self._pid, 0)[1]
                        return "" if status == 0 else f"The process died of it (status {status})."
                    *lines, self._heard = (self._heard + data).split(b"\n")
                    for line in lines:
                        hear(*json.loads(line))
                elif self._is_late():
                    return self._ended()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)
            os.close(self._pipe)
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _is_late(self) -> bool:
        """Return whether an input takes too long, and not this machine: after a rest the next one would be read."""
        number, began, *_rest = _STATE.unpack_from(self._state)
        if time.monotonic() - began <= _PATIENCE * self._target.seconds:
            return False
        time.sleep(1)
        return bool(_STATE.unpack_from(self._state)[0] == number)

    def _ended(self) -> str:
        with contextlib.suppress(OSError):
            os.kill(self._pid, signal.SIGUSR1)  # it writes down where it is
            time.sleep(0.5)
        with contextlib.suppress(OSError):
            os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        with contextlib.suppress(OSError):
            return f"It hangs.\n{Path(self._stack).read_text()}"
        return "It hangs."


def _be_the_reader(
    target: Target, inputs: Callable[[int], bytes], first: int, count: int, state: mmap.mmap, pipe: int, scratch: str
) -> NoReturn:
    """Read inputs; never returns into the caller's code."""
    status = 1
    try:
        os.setsid()
        with open(os.path.join(scratch, "stack"), "w", encoding="utf-8") as stack:
            faulthandler.register(signal.SIGUSR1, file=stack)
            work = Path(scratch, "work")
            work.mkdir()
            os.chdir(work)
            call = target.begin(work)
            resource.setrlimit(resource.RLIMIT_AS, (_memory("VmSize:") + _ADDRESSES,) * 2)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            for number in range(first, count):
                _STATE.pack_into(state, 0, number, time.monotonic(), *_STATE.unpack_from(state)[2:])
                data = inputs(number)
                found = _read_one(target, call, data, number, state)
                if found:
                    _tell(pipe, [number, found])
        status = 0
    except BaseException:
        _tell(pipe, [-1, f"The target cannot be made ready:\n{traceback.format_exc()}"])
    finally:
        os._exit(status)


def _tell(pipe: int, message: Any) -> None:
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(pipe, data) :]


def _read_one(target: Target, call: Call, data: bytes, number: int, state: mmap.mmap) -> str:
    """Have one input read; return what is wrong, nothing for nothing."""
    _index, _began, read, refused, slowest, slow, largest, large = _STATE.unpack_from(state)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak
    before = _memory("VmHWM:")
    began = time.process_time()
    _STATE.pack_into(state, 0, number, time.monotonic(), read, refused, slowest, slow, largest, large)
    found = ""
    try:
        call(data)
    except RestanteError as error:
        refused += 1
        if not str(error).strip():
            found = f"{type(error).__name__} says nothing.\n{traceback.format_exc()}"
    except BaseException:
        found = traceback.format_exc()
    took = time.process_time() - began
    memory = _memory("VmHWM:") - before
    if not found and memory > target.bound(data):
        found = f"It takes {memory // MIB} MiB of memory, and may take {target.bound(data) // MIB}."
    if not found and took > target.seconds:
        found = f"It takes {took:.1f} s, and may take {target.seconds:g}."
    slowest, slow = max((slowest, slow), (took, number))
    largest, large = max((largest, large), (float(memory), number))
    _STATE.pack_into(state, 0, number, time.monotonic(), read + 1, refused, slowest, slow, largest, large)
    return found


def _memory(field: str) -> int:
    """Return a number of bytes of this process from /proc/self/status."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field))


def run(
    target: Target,
    seed: int,
    count: int,
    save: Path,
    say: Callable[[str], object] = print,
    given: Sequence[bytes] = (),
    first: int = 0,
) -> Outcome:
    """Give a target inputs.

    :param count: the number behind that of the last input. :param first: the number of the first.
    :param save: where the inputs of findings are kept. :param say: is told of each new finding.
    :param given: these inputs, and none that are made.
    """
    seeds = () if given else target.seeds()
    state = mmap.mmap(-1, _STATE.size)
    findings: dict[str, Finding] = {}
    began = time.monotonic()
    row: Counter[str] = Counter()

    def inputs(number: int) -> bytes:
        return given[number] if given else target.input(seeds, seed, number)

    def note(number: int, what: str) -> None:
        known = findings.get(_mark(what))
        if known is not None:
            findings[_mark(what)] = known._replace(times=known.times + 1)
            return
        file = _saved(save, target, seed, number, inputs(number) if number >= 0 else b"")
        findings[_mark(what)] = Finding(target.name, number, what, file)
        again = f"PYTHONPATH=build/collections build/env-test/bin/python -m tests.fuzz --target {target.name!r}"
        say(
            f"\nFOUND {target.name}, input {number}: {what}\n"
            f"Again: {again} --input {file}\n"
            f"   or: {again} --seed {seed} --only {number}\n"
        )

    count = len(given) or count
    while first < count and row.total() < _LONGEST_ROW:
        why = _Process(target, inputs, first, count, state).watch(note)
        if not why:
            break
        first = _STATE.unpack_from(state)[0] + 1
        row[why[:20]] += 1
        note(first - 1, why)
    _index, _began, read, refused, slowest, slow, largest, large = _STATE.unpack_from(state)
    return Outcome(
        target.name,
        read + row.total(),
        refused,
        time.monotonic() - began,
        slowest,
        int(largest),
        list(findings.values()),
    )


def _mark(what: str) -> str:
    """Return what two findings of one fault have in common: the kind of error, and the lines where it came up."""
    lines = what.splitlines()
    places = [line for line in lines if line.lstrip().startswith("File ") and "plugins/" in line or "docs/" in line]
    return "\n".join([lines[-1].partition(":")[0] if places else lines[0].rstrip("0123456789 .")[:14], *places[-2:]])


def _saved(save: Path, target: Target, seed: int, number: int, data: bytes) -> str:
    save.mkdir(parents=True, exist_ok=True)
    file = save / f"{target.name.replace(' ', '-').replace('/', '-')}-{seed}-{number}"
    file.write_bytes(data)
    return str(file)
