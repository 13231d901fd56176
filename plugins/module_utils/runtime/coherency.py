# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The coherency check of a node's backup, or of another one; and what the last one has found (R-249 to R-253)."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Sequence
from typing import Any, Final

from ..archive.port import Archive
from ..backup.commits import FORMAT_FILE
from ..backup.files import Files
from ..backup.keys import DIRECTORY
from ..backup.repository import Repository
from ..care import double, hold, identity, mailboxes
from ..care.coherency import DEPTHS, NAMES, NOTHING, Asked, Check
from ..care.findings import BEHIND, QUARANTINE, Findings, Mended
from ..care.ledger import Ledger
from ..care.mending import mend, plan
from ..care.sides import Quarantine
from ..model import foreign, moment
from ..model.errors import Damaged, InvalidInput, RestanteError
from ..operations.notifications import ERROR, INFORMATION, WARNING
from ..operations.operation import Operation
from ..operations.progress import SILENT, Progress
from . import settings as settings_file
from .backups import PATIENCE
from .call import Call
from .care import is_foreign
from .node import Node
from .operations import operation

OPERATION: Final = "Coherency Check"

SKIP: Final = "skip"
ONLY_CHECK: Final = "check"
FIX: Final = "fix"
DOUBLE: Final = (SKIP, ONLY_CHECK, FIX)


@dataclasses.dataclass(frozen=True)
class Options:
    """What a check is to do."""

    backup_path: str = ""
    """Another one than the node's; it has no archive that is known here."""
    accounts: Sequence[str] = ()
    """Look only at the contents of these, by id or address (R-249)."""
    fix: bool = False
    """Put right what is damaged (R-250)."""
    archive: str = NAMES
    """How much of the archive is looked at, one of DEPTHS."""
    max_minutes: int = 0
    """How long contents are read; 0 until all are."""
    mailboxes: bool = False
    """Also compare with the mail server (checkZimbra)."""
    double: str = SKIP
    """What to do about contents that are compressed twice (fixDoubleGzip, R-253)."""


class _Incoherent(Damaged):
    """The check has ended, and not everything is as it must be."""


def check(
    node: Node, options: Options, notifications: Sequence[str] = (), fail_on_damage: bool = True
) -> dict[str, Any]:
    """Check a backup as an operation, and put it right where that is asked for.

    :param fail_on_damage: the operation counts as failed where damages are left.
    :raises InvalidInput: an option cannot be used. :raises NotABackup: there is no backup.
    :raises NotFound: the backup knows no account of this name.
    :raises Refused, Unavailable: the archive cannot be read, and something was to be put right.
    :return: changed, coherent, report, stats, warnings and operation_id.
    """
    _validate(options)
    if not _has_lost_its_format(node, options) and not _has_lost_its_keyring(node, options):
        node.repository(options.backup_path).close()  # what is wrong with it is said before it is queued
    result: dict[str, Any] = {}
    with contextlib.suppress(_Incoherent):
        with operation(node, OPERATION, dataclasses.asdict(options)) as running:
            result = _check(node, options, running)
            running.record.result = result["report"]
            if not result["coherent"] and fail_on_damage:
                raise _Incoherent(_sentence(result))
    level = ERROR if not result["coherent"] else WARNING if result["warnings"] else INFORMATION
    text = "\n".join([result["stats"], *result["warnings"]])
    node.notifications().notify(level, f"{OPERATION}: ended", text, notifications)
    return {**result, "operation_id": running.id}


def preview(node: Node, options: Options) -> dict[str, Any]:
    """Return what a check finds and what would be put right, without changing anything: for check mode.

    Errors as check.
    """
    _validate(options)
    lost = [
        f"{FORMAT_FILE}: is fetched from the archive, or made anew; then the rest is checked"
    ] if _has_lost_its_format(node, options) else [
        f"{DIRECTORY}/: the keyring is fetched from the archive; then the rest is checked"
    ] if _has_lost_its_keyring(node, options) else []
    if lost:
        return {"changed": True, "coherent": False, "plan": lost, "report": {}, "stats": "", "warnings": []}
    with contextlib.closing(node.repository(options.backup_path)) as repository:
        archive = _archive(node, repository, options)
        found, warnings = _found(node, repository, archive, options, _ledger(node, repository), SILENT, lambda: None)
        lines = plan(found, repository, archive) if options.fix else []
        if options.fix and _is_behind(found):
            lines.append(f"{found.counts[BEHIND]} commits are sent to the archive")
        if options.double == FIX:
            lines += [f"{one.kind} {one.item}: its content is unpacked" for one in found.double]
    return {
        "changed": bool(lines), "coherent": found.is_coherent, "plan": lines, "report": found.to_json(),
        "stats": found.text(), "warnings": warnings,
    }


def _validate(options: Options) -> None:
    if options.archive not in DEPTHS:
        raise InvalidInput(f"The archive cannot be checked by {options.archive!r}; choose {', '.join(DEPTHS)}.")
    if options.double not in DOUBLE:
        raise InvalidInput(f"fixDoubleGzip cannot be {options.double!r}; choose {', '.join(DOUBLE)}.")
    if options.max_minutes < 0:
        raise InvalidInput("max_minutes is a number of minutes, or 0 for no limit.")


def _has_lost_its_format(node: Node, options: Options) -> bool:
    """Return whether there is a backup that cannot be opened for want of its format.json.

    :raises Damaged: there is, and nothing is to be put right.
    """
    path = options.backup_path or node.settings.backup_path
    lost = identity.is_lost(Files(path))
    if lost and not options.fix:
        raise Damaged(f"{path}/{FORMAT_FILE} is missing or altered; a check with fix puts it back.")
    return lost


def _put_format_back(node: Node, options: Options) -> None:
    files = Files(options.backup_path or node.settings.backup_path)
    data = identity.found_again(files, _no_archive if is_foreign(node, options.backup_path) else node.archive)
    Quarantine(files, f"{QUARANTINE}/{_stamp()}").keep(FORMAT_FILE)
    files.overwrite(FORMAT_FILE, data)


def _has_lost_its_keyring(node: Node, options: Options) -> bool:
    """Return whether the keyring is lost, and is to be put back."""
    files = Files(options.backup_path or node.settings.backup_path)
    return options.fix and identity.has_lost_keyring(files, node.masters())


def _put_keyring_back(node: Node, options: Options) -> bool:
    """Have the keyring again where it is lost, and only where something is to be put right; return whether it was."""
    if not options.fix:
        return False
    files = Files(options.backup_path or node.settings.backup_path)
    archive_of = _no_archive if is_foreign(node, options.backup_path) else node.archive
    return identity.put_keyring_back(files, node.masters(), archive_of)


def _no_archive(_server_id: str) -> None:
    return None


def _archive(node: Node, repository: Repository, options: Options) -> Archive | None:
    return None if is_foreign(node, options.backup_path) else node.archive(repository.server_id)


def _check(node: Node, options: Options, running: Operation) -> dict[str, Any]:
    lost_format = _has_lost_its_format(node, options)
    if lost_format:
        _put_format_back(node, options)
    lost_keyring = _put_keyring_back(node, options)
    with contextlib.closing(node.repository(options.backup_path)) as repository:
        archive, ledger = _archive(node, repository, options), _ledger(node, repository)

        def save() -> None:
            settings_file.write(_ledger_file(node, repository.path), ledger.to_json())

        mended = Mended()
        try:
            found, warnings = _found(node, repository, archive, options, ledger, running, save)
        except Damaged:
            # A whole one stays: it may be the last to know what packs said that are lost. Another cannot be looked at.
            if not options.fix or repository.catalogue.is_whole():
                raise
            repository.remake_catalogue()
            mended.rebuilt_catalogue = True
            found, warnings = _found(node, repository, archive, options, ledger, running, save)
        if options.fix and not found.stopped and (found.faults or found.unneeded):
            def look() -> Findings:
                return _found(node, repository, archive, options, ledger, running, save)[0]

            found, put_right = mend(repository, archive, found, look, _stamp(), running)
            mended.add(put_right)
        uploaded = 0
        if options.fix and archive is not None and (mended.changed or _is_behind(found)):
            sent = node.uploader(repository, archive).sync(running)
            warnings += sent.warnings
            uploaded = sent.commits
            found.counts[BEHIND] = max(0, found.counts.get(BEHIND, 0) - uploaded)
        unpacked = 0
        if options.double == FIX and found.double and not found.stopped:
            with repository.writer(PATIENCE) as writer:
                unpacked = double.unpack(writer, found.double)
        if found.lost_contents:
            warnings.append(f"{found.lost_contents} contents of items cannot be read; {_advice(options)}")
        report = {**found.to_json(), "mended": mended.to_json(), "unpacked_contents": unpacked}
        ledger.last = {"at": moment.now(), "report": report}
        save()
    stats = found.text() + mended.text()
    return {
        "changed": lost_format or lost_keyring or mended.changed or uploaded + unpacked > 0,
        "coherent": found.is_coherent, "report": report, "stats": stats, "warnings": warnings,
    }


def _is_behind(found: Findings) -> bool:
    """Return whether the archive lacks nothing but commits that were not sent yet, as after a fix that was cut off."""
    return found.is_coherent and not found.stopped and found.counts.get(BEHIND, 0) > 0


def _advice(options: Options) -> str:
    return (
        "the next SmartScan stores again what the mail server still has." if options.fix
        else "run it with fix, and what the archive or the mail server still has is stored again."
    )


def _found(
    node: Node, repository: Repository, archive: Archive | None, options: Options, ledger: Ledger, progress: Progress,
    save: Any,
) -> tuple[Findings, list[str]]:
    """Check, and tell what could not be checked."""
    named = hold.named(hold.accounts(repository), options.accounts) if options.accounts else []
    asked = Asked(
        tuple(one.account_id for one in named), options.archive, options.max_minutes * 60, options.double != SKIP,
    )
    warnings = []
    try:
        found = Check(repository, archive, ledger, asked, progress, save).run()
    except RestanteError as error:
        if options.fix or archive is None:
            raise
        warnings.append(f"The archive was not checked. {error}")
        found = Check(repository, None, ledger, asked._replace(archive=NOTHING), progress, save).run()
    warnings += found.warnings
    if options.mailboxes and not found.stopped:
        with contextlib.closing(node.store()) as store:
            differences = mailboxes.compare(store, repository, asked.scopes, progress)
        found.counts["mailbox_differences"] = differences.number
        warnings += [f"{line}; the next SmartScan records it." for line in differences.first]
    return found, warnings


def _sentence(result: dict[str, Any]) -> str:
    damages = result["report"]["damages"]
    first = f"{damages[0]['file']}: {damages[0]['reason']}"
    return (
        f"The backup has {result['report']['faults']} damages. The first: {first} Run the check with fix to put right "
        "what can be; coherency_check_info shows all of them."
    )


def _stamp() -> str:
    return moment.iso(moment.now()).replace(":", "").replace("-", "")


# -- what is remembered ----------------------------------------------------------------------------------------------


def _ledger_file(node: Node, path: str) -> str:
    name = hashlib.sha256(os.path.realpath(path).encode()).hexdigest()[:16]
    return os.path.join(node.settings.state_path, "coherency", f"{name}.json")


def _ledger(node: Node, repository: Repository) -> Ledger:
    """Return what is remembered of earlier checks; an empty ledger where that cannot be read."""
    ledger = Ledger(repository.repository_id, os.path.realpath(repository.path))
    with contextlib.suppress(OSError, ValueError):
        with open(_ledger_file(node, repository.path), encoding="utf-8") as file:
            ledger.read(foreign.parse(file.read()))
    return ledger


def last(node: Node, backup_path: str = "") -> dict[str, Any]:
    """Return what the last check of a backup has found, and when; empty where there was none.

    :raises NotABackup: there is no backup.
    """
    with contextlib.closing(node.repository(backup_path)) as repository:
        report = _ledger(node, repository).last
    at = report.get("at", 0)
    return {
        "checked": bool(at),
        "checked_at": moment.iso(at) if at else "",
        "age_seconds": (moment.now() - at) // 1000 if at else None,
        "report": report.get("report", {}),
    }


def answer(call: Call) -> dict[str, Any]:
    """Answer the module coherency_check. :raises Damaged: damages are left, and the caller wants that to fail."""
    node = call.node()
    options = Options(
        call["backup_path"] or "", call["accounts"], call["fix"], call["archive"], call["max_minutes"],
        call["compare_mailboxes"], call["double_compressed"],
    )
    if call.check_mode:
        found = preview(node, options)
        return {**found, "diff": {"prepared": "".join(f"{line}\n" for line in found["plan"])}}
    result = check(node, options, call["notifications"], call["fail_on_damage"])
    if not result["coherent"] and call["fail_on_damage"]:
        raise Damaged(_sentence(result))
    return {**result, "diff": {"prepared": result["stats"] if result["changed"] else ""}}


def read(call: Call) -> dict[str, Any]:
    """Answer the module coherency_check_info."""
    return {"check": last(call.node(), call["backup_path"] or "")}
