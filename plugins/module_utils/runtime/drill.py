# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The drill of a node: its real backup restored into a scratch store, compared, and the evidence of it left behind.

Of the node it reads the settings, the names of the files in its Backup Path, and what its operations and its Realtime
Scanner have written down. It writes below the scratch directory, and its report, history and record of the operation.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..backup import commits
from ..backup.files import full_or_refused
from ..drill import record as records
from ..drill.record import About
from ..drill.rehearsal import Findings, Plan, rehearse
from ..drill.scratch import scratch
from ..evidence import durations, history, report, seal
from ..model import moment
from ..model.errors import InvalidInput, NotABackup, Refused, RestanteError
from ..model.version import VERSION
from ..operations.notifications import ERROR, INFORMATION
from ..operations.operation import Operation
from ..operations.records import DRILL_QUEUE
from . import drill_options, drill_source, metrics
from .call import Call
from .drill_options import OF_ONE_DRILL, Options, check, targets
from .drill_reports import directory, key_file, outdated, past
from .node import Node
from .operations import operation

OPERATION: Final = "Drill"

_HOW: Final = (
    "The backup was restored into a mail store that was made for this drill alone, in a directory of its own that was "
    "{} afterwards. That store sends nothing and serves nobody. The mail server of the node, its Backup Path and its "
    "records of restores were not touched."
)
_LIBRARIES: Final = ("zstandard", "boto3", "cryptography")
_DAY: Final = 86_400_000


def configuration(node: Node, options: Options) -> str:
    """Return the SHA-256 of what a drill depends on: the node's settings without secrets, and how it is to be done."""
    asked = {key: value for key, value in dataclasses.asdict(options).items() if key not in OF_ONE_DRILL}
    text = json.dumps({"drill": asked, "settings": node.settings.public()}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def due(node: Node, options: Options) -> Mapping[str, Any] | None:
    """Return the drill for which another one is not due yet: the last one, if it passed with the same configuration."""
    drills = past(node).past()
    if not options.due_after_days or not drills:
        return None
    last, wanted = drills[-1], configuration(node, options)
    age = moment.now() - drill_source.at(last["began"])
    fresh = last["passed"] and age < options.due_after_days * _DAY and last.get("configuration_sha256") == wanted
    return last if fresh else None


def drill(node: Node, options: Options, notifications: Sequence[str] = ()) -> dict[str, Any]:
    """Rehearse the recovery of a node, and leave a report whatever comes of it.

    :return: "changed", "passed", "reasons", "report_path", "drill" (its summary), "stats" (as text), "operation_id".
    :raises RestanteError: it cannot be begun, or cannot go on; the latter has left a report as well.
    """
    check(options, node.settings.time_zone)
    given = {key: value for key, value in dataclasses.asdict(options).items() if value}
    signer = _signer(node, options)
    with operation(node, OPERATION, given, DRILL_QUEUE) as running:
        began = moment.now()
        declared = drill_options.declared(options, node.settings.time_zone) or began
        findings, lag, error = Findings(), None, None
        with scratch(_scratch_path(node, options), running.id, options.keep) as place:
            source = None
            try:
                source = drill_source.find(node, options)
                lag = drill_source.lag(node, source)
                rehearse(_plan(node, options, source), place, findings, running)
            except RestanteError as failure:
                if source is None and isinstance(failure, InvalidInput):
                    raise  # whoever has asked for the drill did so wrongly: nothing was found out by it
                error = failure
            except OSError as failure:
                error = full_or_refused(place, failure)
        if running.told_to_stop and error is None:
            return {}  # the operation says so
        about = About(
            id=running.id, node=platform.node(), ran_by=node.initiator, source=drill_source.kind(node, options),
            declared=declared, began=began, targets=targets(options), versions=versions(), lag=lag,
            configuration_sha256=configuration(node, options),
            signing_key=signer.fingerprint if signer else "",
            unsigned_because="" if signer else seal.WITHOUT_LIBRARY,
            how=_HOW.format("kept" if options.keep else "removed"),
        )
        point = drill_source.recovery_point(node, findings, declared)
        record = records.record(about, findings, point, past(node).past()[-history.SHOWN:], str(error or ""))
        result = _left_behind(node, options, record, signer, running, notifications)
        if error is not None:
            raise type(error)(f"{error} The report of the drill is {result['report_path']}.")
    return {**result, "operation_id": running.id}


def _left_behind(
    node: Node, options: Options, record: Mapping[str, Any], signer: seal.Signer | None, running: Operation,
    notifications: Sequence[str],
) -> dict[str, Any]:
    """Write the report, remember the drill, and tell people and monitoring of it."""
    stamp = record["timeline"][1]["at"][:19].replace("-", "").replace(":", "")
    path = os.path.join(
        options.report_path or os.path.join(directory(node), "reports"), f"{stamp}Z-{running.id[:8]}"
    )
    manifest = report.write(record, path, signer)
    summary = {
        **history.summary(record, path, manifest), "configuration_sha256": record["configuration_sha256"],
    }
    past(node).add(summary)
    stats = text(record, path)
    level = INFORMATION if record["passed"] else ERROR
    verdict = "passed" if record["passed"] else "failed"
    node.notifications().notify(level, f"{OPERATION}: {verdict}", stats, notifications)
    running.record.result = {"passed": record["passed"], "reasons": record["reasons"], "report_path": path}
    warnings = []
    for one in outdated(node, options.reports_keep) if options.reports_keep else ():
        try:
            report.remove(one)
        except Refused as error:
            warnings.append(str(error))
    if options.metrics_path:
        try:
            metrics.write(node, options.metrics_path)
        except RestanteError as error:
            warnings.append(f"Monitoring was not told of the drill: {error}")
    return {
        "changed": True, "passed": record["passed"], "reasons": record["reasons"], "report_path": path,
        "drill": summary, "stats": stats, "warnings": warnings,
    }


def _plan(node: Node, options: Options, source: drill_source.Source) -> Plan:
    return Plan(
        source.archive, node.masters(), source.seen, options.sample, options.seed or secrets.token_hex(4),
        options.concurrent_accounts,
    )


def text(record: Mapping[str, Any], path: str) -> str:
    """Return a drill in a few lines. :param path: of its report."""
    items = record["items"].values()
    expected, verified = (sum(one.get(name, 0) for one in items) for name in ("expected", "verified"))
    lines = [
        f"The drill of {record['node']} has {'passed' if record['passed'] else 'FAILED'}.",
        *record["reasons"],
        f"Verified Items: {verified} of {expected}",
        f"Unrestored Items: {len(record['unrestored_items'])}",
    ]
    for name in ("rpo", "rto"):
        reached, target = record[f"{name}_seconds"], record["targets"][f"{name}_seconds"]
        told = "unknown" if reached is None else durations.tell(reached)
        lines.append(f"{name.upper()}: {told}" + (f" (target {durations.short(target)})" if target is not None else ""))
    return "\n".join([*lines, f"Report: {path}", ""])


def preview(node: Node, options: Options) -> dict[str, Any]:
    """Return what a drill would do, without doing it: for check mode. Errors as drill()."""
    check(options, node.settings.time_zone)
    source = drill_source.find(node, options)
    archive = source.archive()
    newest = drill_source.newest(archive)
    if not newest:
        raise NotABackup(f"There is no backup in {archive.describe()}: it has no commit.")
    old = outdated(node, options.reports_keep - 1) if options.reports_keep else []
    lines = [
        f"restore commit {newest} of {archive.describe()}",
        f"{f'a sample of {options.sample} accounts' if options.sample else 'all accounts'} into "
        f"{_scratch_path(node, options)}, which is removed afterwards" + (" unless kept" if options.keep else ""),
        "compare every item with the backup",
        f"leave a report in {options.report_path or os.path.join(directory(node), 'reports')}",
        *(f"remove the older report {one}" for one in old),
    ]
    return {"changed": True, "plan": lines}


def versions() -> dict[str, str]:
    """Return the versions of all that a drill rests on."""
    found = {"restante.carbonio": VERSION, "backup format": str(commits.FORMAT), "Python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _scratch_path(node: Node, options: Options) -> str:
    return options.scratch_path or os.path.join(node.settings.cache_path, "drills")


def _signer(node: Node, options: Options) -> seal.Signer | None:
    """Return who signs the report, None where nobody can. Errors as seal.Signer()."""
    if seal.HAS_CRYPTOGRAPHY:
        return seal.Signer(key_file(node, options.signing_key))
    if options.signing_key:
        raise InvalidInput(f"The report cannot be signed with {options.signing_key}. {seal.WITHOUT_LIBRARY}")
    return None


def answer(call: Call) -> dict[str, Any]:
    """Answer the module drill. :raises Refused: the drill has failed, and the caller wants that to fail."""
    node = call.node()
    options = Options(**{
        field.name: call[field.name] for field in dataclasses.fields(Options) if call[field.name] is not None
    })
    last = due(node, options)
    if last is not None:
        return {"passed": True, "reasons": [], "report_path": last["report_path"], "drill": last}
    if call.check_mode:
        found = preview(node, options)
        return {**found, "diff": {"prepared": "".join(f"{line}\n" for line in found["plan"])}}
    result = drill(node, options, call["notifications"])
    if call["fail_on_failure"] and not result["passed"]:
        raise Refused(failed(result))
    return {**result, "diff": {"prepared": result["stats"]}}


def failed(result: Mapping[str, Any]) -> str:
    """Return why a drill has failed, as the sentence of an error."""
    return f"The drill has failed. {' '.join(result['reasons'])} The report is {result['report_path']}."
