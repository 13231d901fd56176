# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node as the warm standby of another: set up, stopped, asked, promoted."""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from typing import Any, Final

from ..backup import commits
from ..ledger.standby import FOLLOWING, PROMOTED, STOPPED, Record, alone
from ..mailstore.port import MailStore
from ..model import foreign, kinds, moment
from ..model.errors import InvalidInput, NotABackup, NotFound, Refused, RestanteError, Unavailable
from ..operations.notifications import INFORMATION, WARNING
from ..operations.progress import Until
from ..standby.follower import Follower
from ..standby.origin import Diverged
from . import service
from .call import Call
from .node import Node
from .operations import operation
from .standby_health import Limits, problems, warnings
from .standing_by import (
    Source,
    Status,
    archive_of,
    catch_up,
    directory,
    encoded,
    log_file,
    opened,
    pid_file,
    read_status,
    run,
    seen,
    source_of,
    write_status,
)

UNIT: Final = "restante-standby.service"
ROUND: Final = "Standby Round"
PROMOTION: Final = "Standby Promotion"

STANDBY: Final = service.Service("the standby", UNIT, pid_file, log_file, lambda node: run(node, say=service.log))
_SHOWN: Final = 100
"""How many failures and conflicts are shown; all are counted."""


# -- asking ------------------------------------------------------------------------------------------------------------


def status(node: Node) -> dict[str, Any]:
    """Return what a standby does, how far it is behind, and what could not be applied."""
    pid, found = pid_file(node).pid(), read_status(node)
    try:
        record = Record(directory(node))
    except NotFound:
        return {"state": "none", "running": False, "is_standby": False}
    with contextlib.closing(record):
        seq, at = record.number("seq"), record.number("at")
        state = record.meta("state")
        newest, newest_at = (found.newest, found.newest_at) if found.newest > seq else (seq, at)
        names = {one.source: one.name for one in record.entries()}
        failures, conflicts = record.failures(), record.conflicts()
        now = moment.now()
        return {
            "is_standby": state != PROMOTED,
            "state": state,
            "activity": found.state if pid and state == FOLLOWING else "",
            "running": bool(pid),
            "pid": pid,
            "unit": UNIT if STANDBY.has_unit(node) else "",
            "primary": record.meta("server"),
            "source": source_of(record)._asdict(),
            "applied_commit": seq,
            "applied_commit_at": _iso(at),
            "applied_at": _iso(record.number("applied")),
            "newest_commit": newest,
            "newest_commit_at": _iso(newest_at),
            "lag_commits": newest - seq,
            "lag_seconds": round(max(newest_at - at, 0) / 1000, 3) if seq else 0.0,
            "last_contact": _iso(found.contact),
            "contact_seconds": round(max(now - found.contact, 0) / 1000, 3) if found.contact else -1.0,
            "silent_seconds": round(max(now - newest_at, 0) / 1000, 3) if newest_at else -1.0,
            "last_sign_of_life": _iso(found.alive),
            "sign_of_life_seconds": round(max(now - found.alive, 0) / 1000, 3) if found.alive else -1.0,
            "gives_signs_of_life": found.signed > 0,
            "clock_ahead_seconds": round(found.ahead / 1000, 3),
            "entries": len(names),
            "accounts": sum(one.kind == kinds.ACCOUNT for one in record.entries()),
            "damages": found.damages,
            "failure_count": len(failures),
            "failures": [
                {"account": names.get(one.scope, ""), "item": one.item, "kind": one.kind, "reason": one.reason,
                 "since": _iso(one.since)} for one in failures[:_SHOWN]
            ],
            "conflict_count": record.count_conflicts(),
            "conflicts": [
                {"account": names.get(one.scope, ""), "item": one.item, "kind": one.kind, "what": one.what,
                 "at": _iso(one.at)} for one in conflicts[-_SHOWN:]
            ],
            "error": record.meta("reason") if state == STOPPED else found.error if pid else "",
            "promotion": _promotion(record),
        }


def _promotion(record: Record) -> dict[str, Any]:
    text = record.meta("promotion")
    return dict(foreign.parse(text)) if text else {}


def _iso(at: int) -> str:
    return moment.iso(at) if at > 0 else ""


# -- set-up ------------------------------------------------------------------------------------------------------------


def check_source(node: Node, source: Source) -> None:
    """Refuse what cannot be followed, before anything is written.

    :raises InvalidInput: the source, or this node's mail store. :raises RestanteError: the archive cannot be read.
    """
    if source.type == "local" and os.path.realpath(source.path) == os.path.realpath(node.settings.backup_path):
        raise InvalidInput(f"{source.path} is this node's own Backup Path; name the primary's, or its archive.")
    archive = archive_of(node, source)
    with contextlib.closing(node.store()) as store:
        info = commits.parse_format(archive.get(commits.FORMAT_FILE), archive.describe())
        if info.server == store.server_id():
            raise InvalidInput(
                f"The backup in {archive.describe()} is of this very mail server; a standby is another one."
            )
        if info.encrypted and not node.masters():
            raise Refused(
                f"The backup in {archive.describe()} is encrypted; name the primary's master key in the settings of "
                "this node (encryption_key_file)."
            )


def check_empty(store: MailStore) -> None:
    """Refuse a mail store with mail in it: it is nobody's standby. :raises InvalidInput: an account has some."""
    for account in store.entries(kinds.ACCOUNT):
        for state in store.changes(account.entry_id).items:
            if state.kind not in (kinds.FOLDER, kinds.FILTER_SET):
                raise InvalidInput(
                    f"The mail store of this node holds mail ({account.name} has a {state.kind}), and a standby begins "
                    "with an empty one: what it holds is to be what the primary holds. Name another mailstore_path."
                )


def set_up(node: Node, source: Source, dry_run: bool = False) -> bool:
    """Make a node the standby of a primary; True if anything is to change. Nothing is followed yet.

    :raises InvalidInput: it was promoted; the source or the mail store cannot be used.
    """
    before = _record(node)
    if before is not None:
        with contextlib.closing(before):
            if before.meta("state") == PROMOTED:
                raise InvalidInput(
                    f"This node was promoted ({_promotion(before).get('promoted', '')}), and its mail store is that of "
                    "a primary by now. To make it a standby, give it an empty mail store (mailstore_path) and another "
                    "state_path."
                )
            if before.meta("source") == encoded(source) and before.meta("state") == FOLLOWING:
                return False
            check_source(node, source)
            if not dry_run:
                before.set(source=encoded(source), state=FOLLOWING, reason="")
            return True
    check_source(node, source)
    with contextlib.closing(node.store()) as store:
        check_empty(store)
        if not dry_run:
            with alone(directory(node)):
                Record.create(directory(node), {
                    "state": FOLLOWING, "import": f"standby-{uuid.uuid4()}", "store": store.server_id(),
                    "source": encoded(source), "created": str(moment.now()),
                }).close()
    return True


def may_follow(node: Node) -> bool:
    """Return whether a node is a standby that has not been stopped or promoted."""
    record = _record(node)
    if record is None:
        return False
    with contextlib.closing(record):
        return record.meta("state") == FOLLOWING


def _record(node: Node) -> Record | None:
    try:
        return Record(directory(node))
    except NotFound:
        return None


# -- working -----------------------------------------------------------------------------------------------------------


def once(node: Node) -> dict[str, Any]:
    """Follow until nothing is new, as an operation; return what was done.

    :raises Busy: the service is at it. :raises RestanteError: a side does not answer, or the archive is another.
    """
    with operation(node, ROUND, {}) as running, opened(node, look_seconds=0) as follower:
        if not follower.may_go_on():
            raise InvalidInput(f"The standby is {follower.record.meta('state')}: {follower.record.meta('reason')}")
        report = catch_up(follower, running)
        found = _note(node, follower)
        result = {**report.to_json(), "damages": found.damages}
        running.record.result = result
    return {
        **result, "changed": report.changed, "operation_id": running.id, "stats": report.text(),
        "warnings": [f"The primary's backup is damaged: {one}" for one in found.damages],
    }


def _note(node: Node, follower: Follower) -> Status:
    """Write down what was seen of the archive."""
    found = read_status(node)
    seen(found, follower)
    write_status(node, found, durable=True)
    return found


def stop(node: Node, dry_run: bool = False) -> bool:
    """Have a standby follow no more, until it is told to again; True if it did.

    :raises NotFound: this node is no standby. :raises InvalidInput: it was promoted.
    """
    with contextlib.closing(Record(directory(node))) as record:
        state = record.meta("state")
        if state == PROMOTED:
            raise InvalidInput("This node was promoted, and follows nobody.")
        if not dry_run:
            record.set(state=STOPPED, reason="" if state == FOLLOWING else record.meta("reason"))
            STANDBY.stop(node)
    return state == FOLLOWING


def promote(node: Node, last_round: bool = True, timeout: float = 600.0) -> dict[str, Any]:
    """Make a standby a primary: it follows what the archive has once more, and then never again.

    :param last_round: whether it is followed once more. :param timeout: seconds that this may take; what it has not
        come to by then is lost.
    :return: "changed", and what the promotion came to: see the module standby.
    :raises NotFound: this node is no standby.
    """
    with contextlib.closing(Record(directory(node))) as record:
        if record.meta("state") == PROMOTED:
            return {"changed": False, **_promotion(record)}
    began, clock = moment.now(), time.monotonic()
    before = status(node)
    STANDBY.stop(node)
    error, told = "", []
    newest, newest_at = before["newest_commit"], _ms(before["newest_commit_at"])
    with operation(node, PROMOTION, {"last_round": last_round}) as running:
        if last_round and before["state"] == FOLLOWING:
            error, newest, newest_at = _last_round(node, clock + timeout, (newest, newest_at))
            _check_losses(node, before)
        with alone(directory(node)), contextlib.closing(Record(directory(node))) as record:
            seq, at = record.number("seq"), record.number("at")
            newest, newest_at = max((newest, newest_at), (seq, at))
            result = {
                "promoted": moment.iso(moment.now()),
                "recovery_point": _iso(at),
                "applied_commit": seq,
                "lost_commits": newest - seq,
                "lost_seconds": round((newest_at - at) / 1000, 3),
                "silent_seconds": round((began - newest_at) / 1000, 3) if newest_at else 0.0,
                "seconds": round(time.monotonic() - clock, 3),
                "failures": record.count_failures(),
                "error": error,
            }
            record.set(state=PROMOTED, promotion=json.dumps(result))
    if error:
        told.append(f"The archive could not be followed once more: {error}")
    told += [f"The primary's backup is damaged: {one}" for one in read_status(node).damages]
    if result["failures"]:
        told.append(f"{result['failures']} items could not be applied; standby_info names them.")
    node.notifications().notify(
        WARNING if told else INFORMATION, f"{PROMOTION}: this node is a primary now",
        "".join(f"{name}: {value}\n" for name, value in result.items()),
    )
    return {"changed": True, **result, "operation_id": running.id, "warnings": told}


def _last_round(node: Node, until: float, known: tuple[int, int]) -> tuple[str, int, int]:
    """Follow once more; return why the archive could not be followed, and the newest commit that is known to be there.

    :param known: that, before. :raises RestanteError: it fails for this node's own sake: its disk, its mail server.
    """
    with contextlib.closing(node.store()):
        pass  # what is not there from here on is the archive
    try:
        with opened(node, look_seconds=0) as follower:
            try:
                catch_up(follower, Until(lambda: time.monotonic() > until))
                _note(node, follower)
            except Diverged as error:
                return str(error), *known
            except (RestanteError, OSError) as error:
                if follower.can_reach():
                    raise
                return str(error), *known
            return "", *follower.newest()
    except (NotABackup, NotFound, Unavailable) as error:  # the archive is away from the first
        return str(error), *known


def _check_losses(node: Node, before: dict[str, Any]) -> None:
    """Refuse to promote what has lost something in its last round: that may be a full disk, or a permission, and
    nothing can undo it."""
    found = status(node)
    unread = [one for one in found["damages"] if one not in before["damages"]]
    if unread:
        raise Refused(
            f"The primary's backup cannot be read to its end: {unread[0]} Put that right and run this again; or "
            "promote without it: last_round false."
        )
    if found["failure_count"] > before["failure_count"]:
        raise Refused(
            f"{found['failure_count']} items could not be applied ({found['failures'][0]['reason']}). Put that right "
            "and run this again; or promote without them: last_round false."
        )


def _ms(text: str) -> int:
    at = moment.parse(text) if text else 0
    return at if isinstance(at, int) else 0


# -- modules -----------------------------------------------------------------------------------------------------------


def source_from(call: Call) -> Source:
    """Return the source that a module's arguments name. :raises InvalidInput: they name none."""
    source = Source(
        call["source_type"], call["source"] or "", call["bucket_configuration_id"] or "", call["volume_prefix"],
        call["server_id"], call["witness"] or "", call["metadata_path"] or "",
    )
    if source.type == "local" and not os.path.isabs(source.path):
        raise InvalidInput("Name the directory to follow from: source, an absolute path.")
    if source.type == "s3" and not source.bucket_configuration_id:
        raise InvalidInput("Name the bucket to follow from: bucket_configuration_id, which the module bucket gives.")
    return source


def answer(call: Call) -> dict[str, Any]:
    """Answer the module standby."""
    node = call.node()
    before = status(node)
    if call["state"] == FOLLOWING:
        result = _follow(call, node)
    elif call["state"] == STOPPED:
        result = {"changed": stop(node, call.check_mode)}
    elif call.check_mode:
        if before["state"] == "none":
            Record(directory(node)).close()  # says that there is none
        result = {"changed": before["state"] != PROMOTED}
    else:
        result = {"promotion": (promotion := promote(node, call["last_round"], call["timeout"]))}
        for key in ("changed", "warnings", "operation_id"):
            if key in promotion:
                result[key] = promotion.pop(key)
    after = dict(_brief(before), state=call["state"]) if call.check_mode else _brief(status(node))
    if call.check_mode and call["state"] != FOLLOWING:
        after["running"] = False
    elif call.check_mode and call["service"]:
        after["running"] = True
    return {**result, "status": status(node), "diff": {"before": _brief(before), "after": after}}


def _follow(call: Call, node: Node) -> dict[str, Any]:
    changed = set_up(node, source_from(call), call.check_mode)
    running = bool(pid_file(node).pid())
    if call["service"]:
        if not call.check_mode:
            STANDBY.start(node)
        return {"changed": changed or not running}
    if call.check_mode:
        return {"changed": changed or (not running and _pending(node))}
    if running:
        return {"changed": changed}
    done = once(node)
    return {**done, "changed": changed or done["changed"]}


def _pending(node: Node) -> bool:
    """Return whether the archive has what is not applied."""
    with contextlib.closing(Record(directory(node))) as record:
        archive = archive_of(node, source_of(record))
        return archive.size(commits.name(record.number("seq") + 1)) is not None


def _brief(found: dict[str, Any]) -> dict[str, Any]:
    return {key: found[key] for key in ("state", "running", "applied_commit") if key in found}


def info(call: Call) -> dict[str, Any]:
    """Answer the module standby_info."""
    found = status(call.node())
    limits = Limits(call["warn_silence_seconds"], call["max_silence_seconds"], call["max_lag_seconds"])
    return {"status": found, "problems": problems(found, limits), "warnings": warnings(found, limits)}
