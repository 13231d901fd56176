# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The strategies of restoring, by the vendor's commands (reference, section 3.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ...model.errors import Refused
from ...operations.report import as_result
from ...vendor import forms
from ...vendor.fields import Report
from ...vendor.words import Form, refuse_others
from ..call import Call
from .buckets import bucket_id
from .volumes import volume_id
from .work import Place, opened, planned, work

_UNTOLD: Final = (
    "No notification of carbonio has told what was restored; that it has changed something is supposed, and what could "
    "not be restored is not known."
)


def item(call: Call) -> dict[str, Any]:
    """Answer the module item_restore."""
    return _restore(call, "Single Item Restore", forms.ITEM_RESTORE, {"notifications": []})


def undelete(call: Call) -> dict[str, Any]:
    """Answer the module undelete."""
    return _restore(call, "Undelete", forms.UNDELETE, {})


def new_account(call: Call) -> dict[str, Any]:
    """Answer the module new_account_restore."""
    return _restore(call, "Restore on New Account", forms.NEW_ACCOUNT_RESTORE, {"hide_in_gal": False})


def external(call: Call) -> dict[str, Any]:
    """Answer the module external_restore."""
    found = _restore(call, "External Restore", forms.EXTERNAL_RESTORE, {"volume_prefix": ""})
    return {**as_result(found.pop("report", {})), **found}


def blobs(call: Call) -> dict[str, Any]:
    """Answer the module blob_restore."""
    found = _restore(call, "Restore Blobs", forms.RESTORE_BLOBS, {"volume_prefix": ""})
    return {**as_result(found.pop("report", {})), **found}


def _restore(call: Call, strategy: str, form: Form, others: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out a strategy, and return its report.

    :param others: what the vendor's command has nothing for.
    :raises Refused: items are unrestored, and that is to fail.
    """
    refuse_others(call.arguments, others, form.command)
    place = opened(call)
    command = form.fill(_with_ids(place, call.arguments), place.time_zone)
    if call.check_mode:
        return planned([command], pending=True)
    known = place.carbonio.notification_ids()
    done = work(place, strategy, [command])
    report = place.carbonio.report(known)
    result = {**done.result, **_told(report)}
    if call["fail_on_unrestored"] and report is not None and report.counts["unrestored"]:
        raise Refused(f"The restore has ended, but not everything could be restored.\n{report.text}")
    return result


def _with_ids(place: Place, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with the ids that the vendor's command wants, for the names that modules take as well."""
    given = dict(arguments)
    if given.get("blobs_archive"):
        given["blobs_archive"] = bucket_id(place, given["blobs_archive"])
    if given.get("volume"):
        given["volume"] = volume_id(place, given["volume"])
    return given


def _told(report: Report | None) -> dict[str, Any]:
    """Return a report as our engine returns its own; the vendor's counts items, and not by kind."""
    if report is None:
        return {"changed": True, "report": {}, "stats": "", "warnings": [_UNTOLD]}
    counts = {name: {"item": count} if count else {} for name, count in report.counts.items()}
    lost = [
        {"account": account, "item_id": item_id, "kind": "item", "cause": "", "reason": ""}
        for account, item_id in report.unrestored
    ]
    changed = bool(report.counts["restored"])
    return {
        "changed": changed,
        "report": {**counts, "unrestored_items": lost, "not_held": {}, "warnings": []},
        "stats": report.text,
        "warnings": [],
        "diff": {"prepared": report.text if changed else ""},
    }
