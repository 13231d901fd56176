# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the mail server's log says of lost items (R-025, R-026)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ..mailstore.log_search import Found, LogSearch, Wanted
from ..model import moment
from .call import Call
from .node import Node
from .searching import LIMIT, date_limit, first

DEFAULT_FILE: Final = "/opt/zextras/log/mailbox.log"


def search_log(
    node: Node, *, file: str = DEFAULT_FILE, start: str = "", end: str = "", account: str = "", item: str = "",
    message_id: str = "", sender: str = "", folder: str = "", action: Sequence[str] = (), rotated: bool = True,
    time_zone: str = "", limit: int = LIMIT,
) -> dict[str, Any]:
    """Return what happened to items, as mailbox.log has it: what matches all that is given.

    :param start: and end (not included): a moment; empty for any time. :param account: address or id, or mailbox id.
    :param sender: a part of the address. :param folder: name, path or id. :param action: of mailbox_log.ACTIONS.
    :param rotated: also read the rotated files, compressed ones too. :param limit: events at most; 0 for all.
    :param time_zone: that of the log and of the dates given; empty for the node's.
    :return: "events" in the order of the log, "items" that they are about, "files" that were read, "truncated", and
        "warnings" on files that could not be read.
    :raises RestanteError: there is no log that can be read, or nothing can match.
    """
    zone = time_zone or node.settings.time_zone
    wanted = Wanted(
        date_limit(start, zone), date_limit(end, zone), account.strip(), item.strip(), message_id.strip(),
        sender.strip(), folder.strip(), tuple(action),
    )
    with contextlib.ExitStack() as opened:
        search = opened.enter_context(contextlib.closing(LogSearch(file, wanted, moment.zone(zone), rotated)))
        events, truncated = first(opened.enter_context(contextlib.closing(search.found())), limit)
    return {
        "events": [event.to_json() for event in events],
        "items": _items(events),
        "files": search.read,
        "truncated": truncated,
        "warnings": [str(problem) for problem in search.problems],
    }


def _items(events: Iterable[Found]) -> list[dict[str, Any]]:
    """Return the items that events are about, each with what happened to it last."""
    last: dict[tuple[str, str], dict[str, Any]] = {}
    for found in events:
        event = found.event
        if event.item_id:
            known = last.pop((found.mailbox_id or found.account, event.item_id), {})
            last[found.mailbox_id or found.account, event.item_id] = {
                "item_id": event.item_id,
                "account": found.account,
                "kind": event.kind or known.get("kind", ""),
                "message_id": event.message_id or known.get("message_id", ""),
                "sender": event.sender or known.get("sender", ""),
                "last_action": event.action,
                "last_folder": event.folder or known.get("last_folder", ""),
                "last_at": moment.iso(found.at),
                "doubtful": event.doubtful or known.get("doubtful", False),
            }
    return list(last.values())


def answer(call: Call) -> dict[str, Any]:
    """Answer the module mailbox_log_info."""
    names = (
        "start", "end", "account", "item", "message_id", "sender", "folder", "action", "rotated", "time_zone", "limit",
    )
    return search_log(call.node(), file=call["path"], **{name: call[name] for name in names})
