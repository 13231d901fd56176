# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SmartScan of a node, with the upload that follows it; and what a Backup Path holds."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..archive.numbered import last_number
from ..backup import commits
from ..backup.repository import Repository
from ..backup.writer import Writer
from ..care.locks import Renewal
from ..care.purge import merge, merge_is_due
from ..mailstore.port import MailStore
from ..model import kinds, moment
from ..model.configuration import lasting
from ..model.errors import Damaged, NotABackup, NotFound, Unavailable
from ..model.state import SERVER, Entry
from ..operations.notifications import INFORMATION, WARNING
from ..scan.directory import switch_of
from ..scan.realtime import LOOK
from ..scan.smartscan import smart_scan as scan
from ..scan.upload import Uploader, UploadReport
from .call import Call
from .following import pid_file
from .locks import renew_when_due
from .node import Node
from .operations import operation

OPERATION: Final = "SmartScan"
DIRECTORY_SCAN: Final = "Backup of the directory"
_NOTHING_TOLD: Final[Sequence[str]] = ()

PATIENCE: Final = 60.0
"""Seconds to wait for another writer of the Backup Path: the Realtime Scanner lets it go every second."""


def smart_scan(
    node: Node, *, deep: bool = False, accounts: Sequence[str] = (), mailboxes: bool = True,
    read_error_threshold: int = 0, notifications: Sequence[str] = (),
) -> dict[str, Any]:
    """Scan the node's mail server into its Backup Path, which is made where there is none, and upload what is new.

    :param accounts: only these, by address or id (R-219). :param mailboxes: look into mailboxes too; otherwise only at
        domains, classes of service, lists and accounts, as an operation of another type (R-229).

    A remote store that does not answer does not stop the backup (R-284): what it lacks goes up the next time.

    :return: the scan's report, with "changed", "stats" (the report as text), "upload", "warnings" and "operation_id".
    :raises Damaged: more reads have failed than read_error_threshold allows.
    """
    type_ = OPERATION if mailboxes else DIRECTORY_SCAN
    parameters = {"deep": deep, "accounts": list(accounts), "read_error_threshold": read_error_threshold}
    with contextlib.closing(node.store()):  # a mail server that is not there is a matter for now
        new = not is_initialised(node)
    with operation(node, type_, parameters) as running, contextlib.ExitStack() as opened:
        store = opened.enter_context(contextlib.closing(node.store()))
        repository = opened.enter_context(contextlib.closing(node.initialised(store.server_id())))
        turns = opened.enter_context(contextlib.closing(_Turns(node, repository)))
        archive = node.archive(store.server_id())
        upload = _Upload(node.uploader(repository, archive) if archive else None)
        with upload.going_on():
            report = scan(
                store, turns.writer, deep=deep, accounts=accounts or None, mailboxes=mailboxes,
                read_error_threshold=read_error_threshold, turn=turns.take, progress=running,
            )
            scanned = [store.find_entry(kinds.ACCOUNT, name) for name in accounts]
            merged = 0
            if not (accounts or report.stopped or report.gave_up) and merge_is_due(repository):
                merged = merge(turns.take(), running).removed_packs
        renewal, told = Renewal(), _NOTHING_TOLD
        if not (accounts or report.stopped or report.gave_up or upload.warnings):
            renewal, told = renew_when_due(node, repository, archive, running)
        warnings = [*upload.warnings, *told]
        result = {
            **report.to_json(), "merged_packs": merged, "upload": upload.totals, "renewed_locks": renewal.renewed,
            "warnings": warnings,
            "changed": bool(new or report.changed or merged or upload.totals["commits"] or renewal.renewed),
        }
        running.record.result = result
        if report.gave_up:
            raise Damaged(
                f"The scan gave up: {report.read_errors} reads have failed, read_error_threshold allows "
                f"{read_error_threshold}. The first: {report.failures[0].reason}"
            )
    troubled = bool(report.failures or warnings)
    text = report.text() + "".join(f"\n{warning}\n" for warning in warnings)
    text += "".join(f"account: {entry.name} {entry.entry_id}\n" for entry in scanned if entry)
    if report.changed or troubled:
        node.notifications().notify(WARNING if troubled else INFORMATION, f"{type_}: ended", text, notifications)
    return {**result, "stats": text, "operation_id": running.id}


class _Turns:
    """The writer of a scan, which gives way to the node's Realtime Scanner every few seconds."""

    def __init__(self, node: Node, repository: Repository) -> None:
        self._node = node
        self._repository = repository
        self.writer = repository.writer(PATIENCE)

    def take(self) -> Writer:
        """Return the writer, when the Realtime Scanner, if there is one, has had its turn."""
        if pid_file(self._node).pid():
            self.writer.close()
            time.sleep(2 * LOOK)
            self.writer = self._repository.writer(PATIENCE)
        return self.writer

    def close(self) -> None:
        """Give the writer up."""
        self.writer.close()


class _Upload:
    """Sends each commit to the archive, if there is one, while the scan goes on."""

    def __init__(self, uploader: Uploader | None) -> None:
        self.totals = {"commits": 0, "packs": 0, "bytes": 0}
        self.warnings: list[str] = []
        """Why the archive does not have everything, or did not."""
        self._uploader = uploader
        self._stop = threading.Event()
        self._failure: BaseException | None = None

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        """Upload while the with statement lasts, and what is left at its end.

        :raises RestanteError: the archive takes no files from this node; the scan has ended none the less.
        """
        if self._uploader is None:
            yield
            return
        thread = threading.Thread(target=self._run, args=(self._uploader,))
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self, uploader: Uploader) -> None:
        try:
            uploader.follow(self._stop, report=self._told)
        except BaseException as error:  # it belongs to whoever waits for the scan
            self._failure = error

    def _told(self, done: UploadReport | Unavailable) -> None:
        if isinstance(done, Unavailable):
            self.warnings = [f"The archive lacks the newest commits; the next scan uploads them. {done}"]
            return
        self.warnings = list(done.warnings)
        for name in self.totals:
            self.totals[name] += getattr(done, name)


def preview(node: Node, accounts: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a SmartScan would record, without writing anything: for check mode.

    What only a deep scan would find is not part of it.

    :raises NotFound: an account that was named does not exist.
    """
    with contextlib.ExitStack() as opened:
        store = opened.enter_context(contextlib.closing(node.store()))
        repository = _opened(node)
        if repository is not None:
            opened.enter_context(contextlib.closing(repository))
        changed = sorted(_changed_mailboxes(store, repository, accounts))
        entries = [] if accounts else sorted(_changed_entries(store, repository))
        behind = _not_uploaded(node, store, repository) if repository is not None else 0
        merging = repository is not None and not accounts and merge_is_due(repository)
    return {
        "changed": repository is None or bool(changed or entries or behind or merging),
        "new": repository is None,
        "changed_accounts": changed,
        "changed_entries": entries,
        "commits_to_upload": behind,
    }


def is_initialised(node: Node) -> bool:
    """Return whether the node's Backup Path holds a backup; that of an empty server is empty."""
    repository = _opened(node)
    if repository is not None:
        repository.close()
    return repository is not None


def _opened(node: Node) -> Repository | None:
    try:
        return node.repository()
    except NotABackup:
        if os.path.exists(os.path.join(node.settings.backup_path, commits.FORMAT_FILE)):
            raise
        return None


def _changed_mailboxes(store: MailStore, repository: Repository | None, named: Sequence[str]) -> Iterator[str]:
    tokens = dict(store.tokens())
    reached = repository.tokens() if repository is not None else {}
    wanted = set()
    for name in named:
        entry = store.find_entry(kinds.ACCOUNT, name)
        if entry is None:
            raise NotFound(f"The mail server has no account {name!r}; check the address.")
        wanted.add(entry.entry_id)
    for entry in _backed_up(store):
        if (not named or entry.entry_id in wanted) and tokens.get(entry.entry_id) != reached.get(entry.entry_id):
            yield entry.name


def _backed_up(store: MailStore) -> Iterator[Entry]:
    """Yield the accounts whose backup is switched on, as they are recorded."""
    return map(lasting, filter(switch_of(store).is_on, store.entries(kinds.ACCOUNT)))


def _changed_entries(store: MailStore, repository: Repository | None) -> Iterator[str]:
    for kind in kinds.ENTRY_KINDS:
        known: dict[str, Entry] = {}
        for last in repository.entries(kind) if repository is not None else ():
            if isinstance(last.state, Entry):
                known[last.item_id if last.scope == SERVER else last.scope] = last.state
        for entry in store.entries(kind) if kind != kinds.ACCOUNT else _backed_up(store):
            before = known.pop(entry.entry_id, None)
            if before is None or before.to_json() != entry.to_json():
                yield f"{kind} {entry.name}"
        yield from (f"{kind} {entry.name}" for entry in known.values())


def _not_uploaded(node: Node, store: MailStore, repository: Repository) -> int:
    archive, head = node.archive(store.server_id()), repository.head()
    if archive is None or head is None:
        return 0
    return max(0, head.seq - last_number(lambda number: archive.size(commits.name(number)) is not None, head.seq))


def answer(call: Call) -> dict[str, Any]:
    """Answer the module smartscan."""
    node = call.node()
    if call["state"] == "initialised" and is_initialised(node):
        return {"changed": False}
    if call.check_mode:
        found = preview(node, call["accounts"])
        lines = [*found["changed_entries"], *(f"mailbox {name}" for name in found["changed_accounts"])]
        if found["new"]:
            lines.insert(0, f"Backup Path {node.settings.backup_path}")
        return {**found, "diff": {"prepared": "".join(f"{line}\n" for line in lines)}}
    report = smart_scan(
        node, deep=call["deep"], accounts=call["accounts"], read_error_threshold=call["read_error_threshold"],
        notifications=call["notifications"],
    )
    changed, stats = report.pop("changed"), report.pop("stats")
    return {
        "changed": changed, "operation_id": report.pop("operation_id"), "warnings": report.pop("warnings"),
        "report": report, "stats": stats, "diff": {"prepared": stats if changed else ""},
    }


def info(node: Node, backup_path: str = "") -> dict[str, Any]:
    """Return what a backup holds, the node's own where no path is given; that may have none yet.

    :raises NotABackup: there is none in the path that was given.
    """
    if not backup_path and not is_initialised(node):
        return {"backup_path": node.settings.backup_path, "initialised": False}
    with contextlib.closing(node.repository(backup_path)) as repository:
        return describe(repository)


def describe(repository: Repository) -> dict[str, Any]:
    """Return what a backup holds."""
    head, span = repository.head(), repository.span()
    return {
        "backup_path": repository.path,
        "server_id": repository.server_id,
        "repository_id": repository.repository_id,
        "initialised": True,
        "encrypted": repository.keys is not None,
        "forgotten_accounts": sorted(repository.keys.forgotten()) if repository.keys is not None else [],
        "commit": head.seq if head else 0,
        "last_commit": moment.iso(head.at) if head else "",
        "first_moment": moment.iso(span[0]) if span else "",
        "last_moment": moment.iso(span[1]) if span else "",
        "counts": dict(repository.counts()),
        "accounts": _names(repository, kinds.ACCOUNT),
        "domains": _names(repository, kinds.DOMAIN),
        "damages": [damage._asdict() for damage in repository.damages()],
    }


def _names(repository: Repository, kind: str) -> list[str]:
    return sorted(found.state.name for found in repository.entries(kind) if isinstance(found.state, Entry))
