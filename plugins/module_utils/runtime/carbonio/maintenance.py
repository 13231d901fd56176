# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scans, purge, check, export, retrieval, shares and legal hold, by the vendor's commands (reference, section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ...model.errors import Damaged, InvalidInput, RestanteError, Unavailable
from ...vendor import fields, forms
from ...vendor.words import Form, refuse_others
from ..call import Call
from .buckets import bucket_id
from .work import Place, Worked, opened, planned, work

_TOLD_ELSEWHERE: Final = (
    "What the check has found carbonio tells in its notification alone: core getNotification shows it, and the "
    "administrator has it as a mail."
)


def smart_scan(call: Call) -> dict[str, Any]:
    """Answer the module smartscan: of the whole node, or of some accounts, each with an Account Scan."""
    place = opened(call)
    if call["accounts"]:
        refuse_others(call.arguments, {"read_error_threshold": 0}, forms.ACCOUNT_SCAN.command)
        commands = [forms.ACCOUNT_SCAN.fill({**call.arguments, "account": one}) for one in call["accounts"]]
    else:
        commands = [forms.SMART_SCAN.fill(call.arguments)]
    if call["state"] == "initialised" and _is_initialised(place):
        return {"changed": False}
    if call.check_mode:
        return planned(commands)
    return _result(work(place, "SmartScan", commands))


def _is_initialised(place: Place) -> bool:
    """Return whether it is known that there is a backup: a scan too many costs time, one too few the backup."""
    try:
        return fields.flag(place.carbonio.tell(forms.BACKUP_INFO), "initialised") is True
    except Unavailable:
        raise
    except RestanteError:
        return False


def purge(call: Call) -> dict[str, Any]:
    """Answer the module purge."""
    return _simple(call, "Purge", forms.PURGE, {"trust_clock": False, "notifications": []})


def export(call: Call) -> dict[str, Any]:
    """Answer the module backup_export."""
    return _simple(call, "Export", forms.EXPORT, {})


def fix_shares(call: Call) -> dict[str, Any]:
    """Answer the module share_fix."""
    found = _simple(call, "Fix Shares", forms.FIX_SHARES, {})
    return {**found.pop("report", {}), **found}


def _simple(call: Call, name: str, form: Form, others: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out one command that begins an operation."""
    refuse_others(call.arguments, others, form.command)
    place = opened(call)
    command = form.fill(call.arguments, place.time_zone)
    return planned([command]) if call.check_mode else _result(work(place, name, [command]))


def _result(done: Worked) -> dict[str, Any]:
    return {
        "changed": done.changed, **done.result, "report": done.outcome,
        "stats": str(done.outcome.get("stats", "")), "diff": {"prepared": str(done.outcome.get("stats", ""))},
    }


def coherency_check(call: Call) -> dict[str, Any]:
    """Answer the module coherency_check. :raises Damaged: damage was told of, and the caller wants that to fail."""
    # archive=names is the default of our own check, and nobody's wish.
    refuse_others(
        {**call.arguments, "archive": "" if call["archive"] != "contents" else "contents"},
        {"archive": "", "max_minutes": 0}, forms.COHERENCY_CHECK.command,
    )
    place = opened(call)
    given = {**call.arguments, "backup_path": call["backup_path"] or place.node.settings.backup_path}
    command = forms.COHERENCY_CHECK.fill(given)
    fixes = call["fix"] or call["double_compressed"] == "fix"
    if call.check_mode:
        return {**planned([command]), "changed": fixes}
    done = work(place, "Coherency Check", [command])
    damages = done.outcome.get("damages")
    if damages and call["fail_on_damage"]:
        raise Damaged(f"The check has found damage: {len(damages)} files. {_TOLD_ELSEWHERE}")
    known = {"coherent": not damages} if damages is not None else {}
    return {
        **_result(done), **known, "changed": fixes and done.changed,
        "warnings": [] if known else [_TOLD_ELSEWHERE],
    }


def retrieve(call: Call) -> dict[str, Any]:
    """Answer the module metadata_retrieve. :raises InvalidInput: it is a matter for no command of the vendor's."""
    if call["source_type"] == "backup_path":
        raise InvalidInput(
            "The vendor's Carbonio Backup has no command that copies a Backup Path: copy it with rsync -a, its map "
            "files and its server directory included, and give it to the service user (chown -R)."
        )
    form = forms.RETRIEVE_S3 if call["source_type"] == "s3" else forms.RETRIEVE_LOCAL
    others = {"server_id": "", "witness": "", **({} if form is forms.RETRIEVE_S3 else {"volume_prefix": ""})}
    refuse_others(call.arguments, others, form.command)
    place = opened(call)
    given = dict(call.arguments)
    if given["bucket_configuration_id"]:
        given["bucket_configuration_id"] = bucket_id(place, given["bucket_configuration_id"])
    command = form.fill(given)
    if call.check_mode:
        return planned([command])
    return _result(work(place, "Retrieve Metadata From Archive", [command]))


def legal_hold(call: Call) -> dict[str, Any]:
    """Answer the module legal_hold: only the accounts that are not as wanted are told to carbonio."""
    place, held = opened(call), call["state"] == "present"
    before = fields.holds(place.carbonio.tell(forms.LEGAL_HOLD_GET, accounts=call["accounts"]))
    names = [one["name"] for one in before if one["held"] != held]
    form = forms.LEGAL_HOLD_SET if held else forms.LEGAL_HOLD_UNSET
    if names and not call.check_mode:
        place.carbonio.tell(form, accounts=names)
    return {
        "changed": bool(names),
        "accounts": [{**one, "held": held} for one in before],
        "diff": {"before": dict.fromkeys(names, not held), "after": dict.fromkeys(names, held)},
    }
