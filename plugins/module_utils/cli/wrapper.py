# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engine and its command line as one executable file: a zip archive that Python runs (zipapp, PEP 441)."""

from __future__ import annotations

import importlib
import importlib.util
import io
import os
import pkgutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from typing import Any, Final

from ..archive.files import explained
from ..model.durable import make_directories
from ..model.errors import Damaged, InvalidInput
from ..runtime.call import Call
from .main import main

_PACKAGE: Final = main.__module__.rpartition(".cli.")[0]
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_START: Final = """\
import sys

from {module} import main

sys.exit(main(["--config-file", {config_file!r}, *sys.argv[1:]]))
"""


def build(config_file: str, interpreter: str) -> bytes:
    """Return the file: the same bytes for the same engine.

    :param config_file: which settings it uses unless told otherwise.
    :param interpreter: the Python that runs it.
    """
    packed = io.BytesIO()
    packed.write(f"#!{interpreter}\n".encode())
    with zipfile.ZipFile(packed, "w") as archive:  # stored, not deflated: what zlib makes depends on its version
        archive.writestr(_named("__main__.py"), _START.format(module=main.__module__, config_file=config_file))
        for name, source in sorted(_sources()):
            archive.writestr(_named(name), source)
    return packed.getvalue()


def _sources() -> Iterator[tuple[str, str]]:
    """Yield the engine's files as the running process has them: from a checkout, or from a module's own archive."""
    parents = _PACKAGE.split(".")
    for depth in range(1, len(parents) + 1):
        yield "/".join(parents[:depth]) + "/__init__.py", ""
    for module in pkgutil.walk_packages(importlib.import_module(_PACKAGE).__path__, _PACKAGE + "."):
        specification = importlib.util.find_spec(module.name)
        loader: Any = specification.loader if specification else None
        source = loader.get_source(module.name) if loader else None
        if source is None:
            raise Damaged(f"The source of {module.name} cannot be read; install the collection again.")
        yield module.name.replace(".", "/") + ("/__init__.py" if module.ispkg else ".py"), source


def _named(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, _EPOCH)


def answer(call: Call) -> dict[str, Any]:
    """Answer the module command_line: put the file where it is wanted, unless it is there."""
    path, mode = os.path.abspath(call["path"]), _mode(call["mode"])
    content = build(call.config_file, call["interpreter"] or sys.executable)
    with explained("write", path):
        before = _present(path)
        after = {"engine": f"{len(content)} bytes", "mode": f"{mode:04o}"}
        if not call.check_mode:
            if before is None or before[0] != content:
                _write(path, content, mode)
            elif before[1] != mode:
                os.chmod(path, mode)
    shown = {} if before is None else {
        "engine": after["engine"] if before[0] == content else "another one", "mode": f"{before[1]:04o}"
    }
    return {"changed": before != (content, mode), "path": path, "diff": {"before": shown, "after": after}}


def _mode(text: str) -> int:
    try:
        return int(text, 8)
    except ValueError as error:
        raise InvalidInput(f"mode is {text!r}; write it as four octal digits, such as 0755.") from error


def _present(path: str) -> tuple[bytes, int] | None:
    try:
        with open(path, "rb") as file:
            return file.read(), os.fstat(file.fileno()).st_mode & 0o7777
    except FileNotFoundError:
        return None


def _write(path: str, content: bytes, mode: int) -> None:
    make_directories(os.path.dirname(path), 0o755)  # commands are for everybody to run, and for nobody to replace
    descriptor, unfinished = tempfile.mkstemp(dir=os.path.dirname(path))
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise
