# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking into the vendor's backup (reference, section 3.2). What is found is told in the vendor's own fields."""

from __future__ import annotations

from typing import Any, Final

from ...model.errors import InvalidInput
from ...operations.progress import SILENT
from ...vendor import answers, fields, forms
from ...vendor.following import follow
from ...vendor.words import Form, refuse_others
from ..call import Call
from .buckets import bucket_id
from .work import opened

_TYPES: Final = ("all", "message", "contact", "folder", "document")


def backup(call: Call) -> dict[str, Any]:
    """Answer the module backup_info."""
    return {"backup": _asked(call, forms.BACKUP_INFO)}


def account(call: Call) -> dict[str, Any]:
    """Answer the module account_info."""
    return {"account": _asked(call, forms.ACCOUNT_INFO)}


def available_accounts(call: Call) -> dict[str, Any]:
    """Answer the module available_accounts_info."""
    return {"accounts": fields.rows(_asked(call, forms.AVAILABLE_ACCOUNTS))}


def item(call: Call) -> dict[str, Any]:
    """Answer the module item_info."""
    refuse_others(call.arguments, {"volume_prefix": "", "dump_path": ""}, forms.ITEM.command)
    return {"item": _asked(call, forms.ITEM)}


def item_search(call: Call) -> dict[str, Any]:
    """Answer the module item_search_info. :raises InvalidInput: carbonio does not look for items of that type."""
    refuse_others(
        call.arguments,
        {"in_content": False, "blobs_archive": "", "volume_prefix": "", "deleted_after": "", "deleted_before": ""},
        forms.ITEM_SEARCH.command,
    )
    if call["type"] not in _TYPES:
        raise InvalidInput(f"carbonio looks for no items of the type {call['type']}; there are {', '.join(_TYPES)}.")
    found = fields.rows(_asked(call, forms.ITEM_SEARCH))
    return {
        "account": {"name": call["account"]}, "items": found[:call["limit"]], "truncated": len(found) > call["limit"],
    }


def map_rows(call: Call) -> dict[str, Any]:
    """Answer the module map_info."""
    return {"map": fields.rows(_asked(call, forms.MAP))}


def legal_hold(call: Call) -> dict[str, Any]:
    """Answer the module legal_hold_info."""
    return {"accounts": fields.holds(_asked(call, forms.LEGAL_HOLD_GET))}


def broken_shares(call: Call) -> dict[str, Any]:
    """Answer the module share_check_info; where the check is an operation, it is followed to its end."""
    place = opened(call)
    command = forms.CHECK_SHARES.fill({})
    found = place.carbonio.ask(command)
    if isinstance(found, dict) and fields.field(found, *fields.OPERATION_IDS):
        operation_id = answers.operation_id(command, found)
        found = follow(place.carbonio, command.module, operation_id, SILENT).told
    problems = fields.rows(found)
    return {"problems": problems, "accounts": len({one.get("account") for one in problems})}


def _asked(call: Call, form: Form) -> Any:
    """Return what a command answers to a module's arguments."""
    place = opened(call)
    given = dict(call.arguments)
    if given.get("blobs_archive"):
        given["blobs_archive"] = bucket_id(place, given["blobs_archive"])
    return place.carbonio.ask(form.fill(given, place.time_zone))
