# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a drill: all that its report says, verdict included, as one JSON object. docs/drill.md has the fields.

Every form of the report is made from this object alone (evidence/), so that none says anything that another does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..evidence import durations
from ..evidence.history import FORMAT
from ..model import moment
from ..operations.report import RestoreReport
from ..restore.verify import VerifyReport
from .rehearsal import Findings, unexpected

MOMENTS: Final = (
    "declared", "began", "metadata", "provisioned", "first_mailbox", "newest_mail", "complete", "verified",
)
"""The moments of a drill, in the order in which they come."""

COMMIT: Final = "commit"
SCAN: Final = "scan"
REALTIME: Final = "realtime"

_PAST: Final = (
    "id", "began", "passed", "rpo_seconds", "rto_seconds", "accounts", "expected", "verified", "unrestored",
)
"""What a report tells of the drills before it."""

_COUNTS: Final = ("expected", "restored", "verified", "missing", "different", "unrestored", "not_held", "unexpected")


class Targets(NamedTuple):
    """What a recovery is to keep to, fixed before it is tried; None where nothing is."""

    rpo_seconds: float | None = None
    rto_seconds: float | None = None


class RecoveryPoint(NamedTuple):
    """Up to when the backup was known to have everything."""

    at: int
    """UTC milliseconds; 0 where that was not found out."""
    basis: str = COMMIT
    """COMMIT: the newest commit was made then. SCAN, REALTIME: nothing has been committed since, and then a SmartScan
    began, or the Realtime Scanner looked, and found that there was nothing."""


class About(NamedTuple):
    """What is known of a drill whatever comes of it. Times are UTC milliseconds."""

    id: str
    """The operation's."""
    node: str
    ran_by: str
    source: str
    """"archive" or "backup_path"."""
    declared: int
    began: int
    targets: Targets = Targets()
    versions: Mapping[str, str] = {}
    configuration_sha256: str = ""
    lag: Mapping[str, Any] | None = None
    """commits and seconds by which the archive is behind the Backup Path; None where that is not known."""
    signing_key: str = ""
    """The fingerprint of the key that the report is signed with; empty where it is not."""
    unsigned_because: str = ""
    how: str = ""
    """What was done, for people."""


def record(
    about: About, findings: Findings, point: RecoveryPoint, past: Sequence[Mapping[str, Any]] = (), error: str = "",
) -> dict[str, Any]:
    """Return the record of a drill.

    :param past: the summaries of earlier ones, the oldest first. :param error: why it could not go on; empty where it
        came to its end.
    """
    moments = {"declared": about.declared, "began": about.began, **findings.moments}
    timeline = [
        {
            "name": name, "at": moment.iso(moments[name]) if name in moments else "",
            "seconds": _since(about.declared, moments.get(name)),
        }
        for name in MOMENTS
    ]
    rpo = (about.declared - point.at) / 1000 if point.at else None
    rto = _since(about.declared, moments.get("complete"))
    proof = findings.proof
    made: dict[str, Any] = {
        "format": FORMAT,
        "id": about.id,
        "node": about.node,
        "ran_by": about.ran_by,
        "backup": {"source": about.source, **findings.backup},
        "extent": findings.extent.to_json() if findings.extent else {},
        "targets": about.targets._asdict(),
        "recovery_point": {"at": moment.iso(point.at) if point.at else "", "basis": point.basis},
        "rpo_seconds": None if rpo is None else round(max(rpo, 0.0), 3),
        "rto_seconds": rto,
        "lag": about.lag,
        "timeline": timeline,
        "items": _items(findings.restored, proof),
        "compared": _compared(proof),
        "accounts": _accounts(findings, about.declared),
        "differences": [one._asdict() for one in proof.differences] if proof else [],
        "differences_found": sum(proof.differing.values()) if proof else 0,
        "unrestored_items": [one._asdict() for one in findings.restored.unrestored],
        "not_held": findings.restored.to_json()["not_held"],
        "damages": [dict(damage) for damage in findings.damages],
        "warnings": list(findings.restored.warnings),
        "error": error,
        "how": about.how,
        "versions": dict(about.versions),
        "configuration_sha256": about.configuration_sha256,
        "signing_key": about.signing_key,
        "unsigned_because": about.unsigned_because,
        "past": [{name: one[name] for name in _PAST} for one in past],
    }
    made["reasons"] = list(_reasons(made, proof))
    made["passed"] = not made["reasons"]
    return made


def _since(declared: int, at: int | None) -> float | None:
    return None if at is None else round((at - declared) / 1000, 3)


def _items(restored: RestoreReport, proof: VerifyReport | None) -> dict[str, dict[str, int]]:
    """Return the counts by kind; a column that the drill has not come to is left out."""
    columns: dict[str, Mapping[str, int]] = {
        "restored": restored.restored, "unrestored": restored.unrestored_by_kind(),
    }
    if proof is not None:
        columns.update(
            expected=proof.expected, verified=proof.verified, missing=proof.missing, different=proof.different,
            not_held=proof.not_held, unexpected=unexpected(proof),
        )
    kinds = sorted({kind for column in columns.values() for kind, count in column.items() if count})
    return {
        kind: {name: columns[name].get(kind, 0) for name in _COUNTS if name in columns} for kind in kinds
    }


def _compared(proof: VerifyReport | None) -> dict[str, dict[str, int]]:
    if proof is None:
        return {}
    names = sorted({*proof.compared, *proof.differing} - {"missing"})
    return {name: {"compared": proof.compared[name], "differing": proof.differing[name]} for name in names}


def _accounts(findings: Findings, declared: int) -> list[dict[str, Any]]:
    proof, unrestored = findings.proof, findings.restored.unrestored
    left = {one.account or one.item_id for one in unrestored}
    rows = []
    for address in findings.extent.accounts if findings.extent else ():
        expected, verified = proof.accounts.get(address, ({}, {})) if proof else ({}, {})
        mailbox = findings.restored.timeline.mailboxes.get(address)
        rows.append({
            "address": address,
            "expected": sum(expected.values()),
            "verified": sum(verified.values()),
            "whole": bool(proof) and expected == verified and address not in left,
            "newest_mail_seconds": _since(declared, mailbox.usable) if mailbox else None,
            "complete_seconds": _since(declared, mailbox.ended) if mailbox else None,
        })
    return rows


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _reasons(made: Mapping[str, Any], proof: VerifyReport | None) -> Iterator[str]:
    """Yield why a drill has failed, as sentences."""
    if made["error"]:
        yield f"The drill could not go on: {made['error']}"
    elif proof is None or not made["timeline"][-1]["at"]:
        yield "The drill has not come to its end."
    if made["damages"]:
        first = made["damages"][0]
        places = _many(len(made["damages"]), "place")
        yield f"The backup is damaged in {places}; the first: {first['file']}: {first['reason']}"
    if made["unrestored_items"]:
        first = made["unrestored_items"][0]
        yield (
            f"{_many(len(made['unrestored_items']), 'item')} could not be restored; the first: {first['kind']} "
            f"{first['item_id']} of {first['account'] or 'the directory'}: {first['reason']}"
        )
    if proof is not None:
        missing, different = sum(proof.missing.values()), sum(proof.different.values())
        if missing or different:
            yield (
                f"Of the backup, {_many(missing, 'item')} cannot be found after the restore, and "
                f"{_many(different, 'item')} differ in something."
            )
        more = sum(unexpected(proof).values())
        if more:
            yield f"The backup knows nothing of {_many(more, 'item')} in the restored store."
    for name, what in (("rpo", "recovery point is older"), ("rto", "recovery took longer")):
        target, reached = made["targets"][f"{name}_seconds"], made[f"{name}_seconds"]
        if target is not None and reached is not None and reached > target:
            yield (
                f"The {what} than it may be: the {name.upper()} is {durations.tell(reached)}, the target "
                f"{durations.short(target)}."
            )
        elif target is not None and reached is None:
            yield f"Whether the {name.upper()} target of {durations.short(target)} is kept to was not found out."
