# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work in a process whose file operations are counted, end in a kill, fail, or are recorded (faults.c).

The process that uses this runs with the library preloaded (begin()); each piece of work is a fork of it, so that
nothing is imported anew.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, NamedTuple

from tools import debian

from .working import in_child

BUILD: Final = Path(__file__).resolve().parents[2] / "build" / "torture"
SOURCE: Final = Path(__file__).with_name("faults.c")

CREATE, WRITE, TRUNCATE, SYNC, SYNCFS, LINK, RENAME, UNLINK, MKDIR, RMDIR, MARK = range(1, 12)
"""The kinds of operations, as in faults.c."""
KILL_BEFORE, KILL_AFTER, KILL_TORN, FAIL_ONCE, FAIL_ON = range(1, 6)


class Unavailable(Exception):
    """The layer cannot be had here; the text says why."""


class Fault(NamedTuple):
    """What happens at one operation."""

    at: int = 0
    """Its number, from 1; 0 for never."""
    mode: int = 0
    error: int = 0
    """The errno of a failure."""
    kinds: Collection[int] = ()
    """The kinds that fail; all where it is empty."""

    def kind(self) -> str:
        """Return what happens, without where."""
        if self.mode in (FAIL_ONCE, FAIL_ON):
            return errno.errorcode[self.error] + (" once" if self.mode == FAIL_ONCE else "")
        return "killed" if self.mode else "nothing"

    def __str__(self) -> str:
        name = errno.errorcode.get(self.error, "")
        words = {
            0: "nothing at", KILL_BEFORE: "killed before", KILL_AFTER: "killed after",
            KILL_TORN: "killed in the middle of", FAIL_ONCE: f"{name} at", FAIL_ON: f"{name} from",
        }
        return f"{words[self.mode]} operation {self.at}"

    def code(self) -> str:
        """Return it as one word, which decoded() understands."""
        kinds = "+".join(map(str, self.kinds))
        return f"{self.at}:{self.mode}:{self.error}:{kinds}"

    @classmethod
    def decoded(cls, code: str) -> Fault:
        """Return the fault of a word. :raises ValueError: it is none."""
        at, mode, error, kinds = code.split(":")
        return cls(int(at), int(mode), int(error), tuple(int(kind) for kind in kinds.split("+") if kind))


NO_FAULT: Final = Fault()


class Outcome(NamedTuple):
    """How work has ended."""

    operations: int
    """How many operations there were."""
    killed: bool = False
    refused: str = ""
    """The sentence of an error of ours."""
    broken: str = ""
    """What no work may end with: another error, with its traceback, or that it hangs."""


class _Plan(ctypes.Structure):
    _fields_ = [
        ("done", ctypes.c_uint64), ("at", ctypes.c_uint64), ("mode", ctypes.c_uint32), ("kinds", ctypes.c_uint32),
        ("error", ctypes.c_int32), ("recording", ctypes.c_uint32), ("root", ctypes.c_char * 1024),
        ("record", ctypes.c_char * 1024),
    ]


def begin() -> None:
    """Start this program anew with the library, unless it runs with it already.

    :raises Unavailable: it cannot be built.
    """
    library = str(built())
    if library in os.environ.get("LD_PRELOAD", "").split(":"):
        return
    os.environ["LD_PRELOAD"] = ":".join(filter(None, (library, os.environ.get("LD_PRELOAD"))))
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def built() -> Path:
    """Return the library, which is made where it is missing or old. :raises Unavailable: it cannot be."""
    library = BUILD / "faults.so"
    if library.is_file() and library.stat().st_mtime >= SOURCE.stat().st_mtime:
        return library
    absent = debian.missing({"g++": "g++"})  # with it come the C compiler and the C library's headers
    if absent:
        raise Unavailable(f"The file layer that fails cannot be built: {absent}.")
    BUILD.mkdir(parents=True, exist_ok=True)
    unfinished = BUILD / f"faults.{os.getpid()}.so"
    command = ["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(unfinished), str(SOURCE)]
    done = subprocess.run([*command, "-ldl", "-lpthread"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"The file layer that fails cannot be built: {done.stderr}")
    unfinished.replace(library)
    return library


def mark(word: str) -> None:
    """Put into the recording what the work has promised by now."""
    ctypes.CDLL(None).restante_mark(word.encode())


def perform(work: Callable[[], object], root: Path, fault: Fault = NO_FAULT, record: Path | None = None) -> Outcome:
    """Do work in a process of its own.

    :param root: the directory whose files the layer is about. :param record: a new file for the recording.
    """
    plan_file = BUILD / f"plan.{os.getpid()}"
    library = ctypes.CDLL(None)
    if library.restante_prepare(str(plan_file).encode()):
        raise OSError(f"{plan_file} cannot be made.")
    with open(plan_file, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        plan = _Plan.from_buffer(memory)
        plan.at, plan.mode, plan.error = fault.at, fault.mode, fault.error
        plan.kinds = sum(1 << kind for kind in fault.kinds)
        plan.root = f"{root.resolve()}/".encode()
        if record is not None:
            plan.recording, plan.record = 1, str(record).encode()
        outcome = Outcome(0, *in_child(work, lambda _pid: None, lambda: _attach(plan_file))[:3])
        outcome = outcome._replace(operations=plan.done)
        del plan
    plan_file.unlink()
    return outcome


def _attach(plan_file: Path) -> None:
    if ctypes.CDLL(None).restante_attach(str(plan_file).encode()):
        raise OSError(f"{plan_file} cannot be read.")
