# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a drill on disk: a directory with each of its forms, and the seal."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..model.durable import make_directories, sync_directory
from ..model.errors import Refused
from . import history, junit, metrics, page
from .seal import MANIFEST, SIGNATURE, Signer, manifest

PAGE: Final = "report.html"
JSON: Final = "report.json"
JUNIT: Final = "junit.xml"
METRICS: Final = "metrics.prom"
_FILES: Final = (PAGE, JUNIT, METRICS, MANIFEST, SIGNATURE, JSON)


def forms(record: Mapping[str, Any]) -> dict[str, bytes]:
    """Return all forms of a record by the names of their files."""
    return {
        # A name may have halves of characters in it, which no file takes.
        PAGE: page.render(record).encode("utf-8", "replace"),
        JSON: json.dumps(record, indent=2).encode("ascii") + b"\n",
        JUNIT: junit.render(record),
        METRICS: metrics.text(metrics.of_drills([history.summary(record)])).encode("utf-8", "replace"),
    }


def write(record: Mapping[str, Any], directory: str, signer: Signer | None) -> str:
    """Write a report, whole or not at all, for its owner alone to read.

    :param directory: made by this; it must not be there. :param signer: None for a report without a signature.
    :return: the SHA-256 of its manifest. :raises Refused: it cannot be written.
    """
    files = forms(record)
    listed = files[MANIFEST] = manifest(files)
    if signer is not None:
        files[SIGNATURE] = signer.sign(listed)
    directory = os.path.abspath(directory)
    part = f"{directory}.part"
    with _told(directory):
        make_directories(os.path.dirname(directory))
        make_directories(part)
        for name, data in files.items():
            _write(os.path.join(part, name), data, 0o600)
        sync_directory(part)
        os.rename(part, directory)
        sync_directory(os.path.dirname(directory))
    return hashlib.sha256(listed).hexdigest()


def remove(directory: str) -> None:
    """Remove a report, and nothing that was put beside it: the directory stays then.

    :raises Refused: it cannot be removed.
    """
    try:
        for name in _FILES:  # the record last: as long as it is there, this is a report
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(directory, name))
        os.rmdir(directory)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
            raise Refused(f"The report {directory} cannot be removed ({error.strerror}).") from error


def replace(path: str, text: str) -> None:
    """Write a file that others read, whole or not at all, in the place of the one that is there.

    :raises Refused: it cannot be written.
    """
    part = f"{path}.{secrets.token_hex(4)}"
    with _told(path):
        try:
            _write(part, text.encode("utf-8", "replace"), 0o644)
            os.replace(part, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(part)
            raise


def _write(path: str, data: bytes, mode: int) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)  # whatever the umask says
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refused(
            f"{path} cannot be written ({error.strerror}); check the space, and that the service user may write there."
        ) from error
