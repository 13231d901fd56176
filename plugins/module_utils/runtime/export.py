# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Export of a mail server, or of a part of it, into an empty directory (R-318, R-319; reference, section 3.1)."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from typing import Any, Final

from ..archive.files import explained
from ..backup import commits, keys
from ..backup.repository import CATALOGUE_FILE, Repository
from ..model.durable import make_directories
from ..model.errors import AlreadyExists, Damaged, InvalidInput, NotABackup, Refused
from ..operations.notifications import INFORMATION, WARNING
from ..operations.progress import Progress
from ..scan.export import choose
from ..scan.export import export as write_export
from ..scan.report import ScanReport
from .backups import describe
from .call import Call
from .node import Node
from .operations import operation

OPERATION: Final = "Export"

_MEGABYTE: Final = 1_000_000
_OURS: Final = frozenset((commits.FORMAT_FILE, commits.DIRECTORY, keys.DIRECTORY, "packs", "open"))


def export(
    node: Node, destination: str, *, domains: Sequence[str] = (), cos: Sequence[str] = (), skip_items: bool = False,
    threshold: int = 0, read_error_threshold: int = 0, notifications: Sequence[str] = (),
) -> dict[str, Any]:
    """Write a snapshot of the mail server that an External Restore can import.

    An export that was stopped, or has failed, leaves the directory empty; it begins anew, it does not go on.

    :param destination: a directory that is empty, or is to be made.
    :param domains: names or ids; empty for all. :param cos: names or ids of classes of service; empty for all.
    :param skip_items: only the directory, not the content of the mailboxes.
    :param threshold: megabytes that have to stay free on the disk of the destination; 0 for no such bound.
    :param read_error_threshold: give up after more than so many failed reads; 0 never gives up.
    :return: the scan's report, with "changed", "stats" (the report as text) and "operation_id".
    :raises NotFound: a domain or a class of service does not exist. :raises Damaged: too many reads have failed.
    :raises AlreadyExists: the directory is not empty. :raises Refused: the disk does not take it.
    """
    destination = _checked(node, destination, threshold, read_error_threshold)
    _empty(destination)
    with contextlib.closing(node.store()) as store:
        choose(store, domains, cos)
    parameters = {"destination": destination, "domains": list(domains), "cos": list(cos), "skip_items": skip_items}
    with operation(node, OPERATION, parameters) as running:
        _empty(destination)  # it may have waited for long
        room = _Room(running, destination, threshold * _MEGABYTE)
        finished = False
        try:
            report = _write(node, destination, domains, cos, skip_items, read_error_threshold, room)
            finished = report.commits > 0
        finally:
            if not finished:
                _clear(destination)
        running.record.result = report.to_json()
        if room.exhausted:
            raise Refused(
                f"Less than {threshold} MB are left on the disk of {destination}, so the export was ended, and the "
                "directory emptied. Choose a larger disk or a smaller threshold."
            )
        if report.gave_up:
            raise Damaged(
                f"The export gave up: {report.read_errors} reads have failed, read_error_threshold allows "
                f"{read_error_threshold}. The first: {report.failures[0].reason}"
            )
    text = report.text()
    node.notifications().notify(
        WARNING if report.failures else INFORMATION, f"{OPERATION}: ended", f"{destination}\n\n{text}", notifications
    )
    return {**report.to_json(), "stats": text, "operation_id": running.id}


def _write(
    node: Node, destination: str, domains: Sequence[str], cos: Sequence[str], skip_items: bool, threshold: int,
    progress: Progress,
) -> ScanReport:
    with contextlib.closing(node.store()) as store:
        chosen = choose(store, domains, cos)
        made = Repository.create(destination, store.server_id(), masters=node.masters())
        with contextlib.closing(made) as repository:
            with repository.writer() as writer:
                return write_export(
                    store, writer, chosen, skip_items=skip_items, read_error_threshold=threshold, progress=progress
                )


class _Room:
    """The Progress of an export, which is stopped when the disk is nearly full."""

    def __init__(self, progress: Progress, path: str, least: int) -> None:
        """:param least: bytes that have to stay free on the disk of a path."""
        self.exhausted = False
        self._progress = progress
        self._path = path
        self._least = least

    def phase(self, name: str, items: int = 0, bytes_: int = 0) -> None:
        """See Progress."""
        self._progress.phase(name, items, bytes_)

    def advance(self, items: int = 0, bytes_: int = 0) -> None:
        """See Progress."""
        self._progress.advance(items, bytes_)

    def stopping(self) -> bool:
        """Return True once someone has asked for the work to stop, or the disk is nearly full."""
        if self._least and shutil.disk_usage(self._path).free < self._least:
            self.exhausted = True
        return self.exhausted or self._progress.stopping()


def _checked(node: Node, destination: str, *thresholds: int) -> str:
    """Return the whole path of the destination. :raises InvalidInput: nothing can be exported to it, or like that."""
    if not destination.strip():
        raise InvalidInput("It is not said where to export to; name a directory that is empty, or is to be made.")
    if min(thresholds) < 0:
        raise InvalidInput(f"A threshold cannot be {min(thresholds)}; give 0 for no such bound.")
    own = os.path.realpath(node.settings.backup_path)
    if os.path.commonpath((own, os.path.realpath(destination))) == own:
        raise InvalidInput(f"{destination} is in this node's own Backup Path; export into a directory beside it.")
    return os.path.abspath(destination)


def _is_empty(destination: str) -> bool:
    """Return whether a directory is empty; False for what an export has left that was killed.

    :raises AlreadyExists: something else is there.
    """
    with explained("write", destination):
        names = os.listdir(destination)
        if names and not _is_unfinished(destination):
            raise AlreadyExists(f"{destination} is not empty; an export needs a directory of its own.")
        return not names


def _empty(destination: str) -> None:
    """Make the directory, or what an export has left that was killed, an empty one."""
    with explained("write", destination):
        make_directories(destination)
    if not _is_empty(destination):
        _clear(destination)


def _is_unfinished(path: str) -> bool:
    """Return whether a directory holds nothing but an export that never came to its commit."""
    names = {name for name in os.listdir(path) if not _comes_along(name)}
    return (not names or commits.FORMAT_FILE in names) and names <= _OURS and not (
        os.path.isdir(os.path.join(path, "commits")) and os.listdir(os.path.join(path, "commits"))
    )


def _comes_along(name: str) -> bool:
    """Return whether a file is the catalogue's, or the first of an export that was killed while it was written."""
    return name.startswith(CATALOGUE_FILE) or (name.startswith(f"{commits.FORMAT_FILE}.") and name.endswith(".part"))


def _clear(path: str) -> None:
    """Remove what an export has written to a directory that was empty."""
    with explained("write", path):
        for name in os.listdir(path):
            if name in _OURS or _comes_along(name):
                inside = os.path.join(path, name)
                if os.path.isdir(inside):
                    shutil.rmtree(inside)
                else:
                    os.unlink(inside)


def answer(call: Call) -> dict[str, Any]:
    """Answer the module backup_export: an export that is there is left as it is."""
    node = call.node()
    destination = _checked(node, call["destination"], call["threshold"], call["read_error_threshold"])
    there = _present(node, destination)
    if there:
        return {"changed": False, "export": there, "diff": {"prepared": ""}}
    if call.check_mode:
        if os.path.lexists(destination):
            _is_empty(destination)
        with contextlib.closing(node.store()) as store:
            lines = choose(store, call["domains"], call["cos"]).lines()
        return {"changed": True, "plan": lines, "diff": {"prepared": "".join(f"{line}\n" for line in lines)}}
    report = export(
        node, destination, domains=call["domains"], cos=call["cos"], skip_items=call["skip_items"],
        threshold=call["threshold"], read_error_threshold=call["read_error_threshold"],
        notifications=call["notifications"],
    )
    return {
        "changed": True, "export": _present(node, destination), "operation_id": report.pop("operation_id"),
        "stats": report["stats"], "report": report, "diff": {"prepared": report.pop("stats")},
    }


def _present(node: Node, destination: str) -> dict[str, Any]:
    """Return what an export of this server holds that is there; empty where there is none.

    :raises InvalidInput: there is one of another server.
    """
    try:
        repository = node.repository(destination)
    except NotABackup:
        return {}
    with contextlib.closing(repository), contextlib.closing(node.store()) as store:
        if repository.server_id != store.server_id():
            raise InvalidInput(
                f"{destination} holds an export of the server {repository.server_id}, this one is {store.server_id()}; "
                "choose another directory."
            )
        return describe(repository) if repository.head() is not None else {}
