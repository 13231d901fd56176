# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking for items in a backup (reference, section 3.2). Nothing here shows a secret."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterable, Iterator
from typing import Any

from ..archive import files
from ..backup import packs
from ..backup.repository import Repository
from ..model import moment
from ..model.errors import AlreadyExists, Damaged, InvalidInput, NotFound
from ..model.state import ItemState
from ..restore.accounts import find_account
from ..restore.blobs import Blobs
from ..restore.idmap import read_map
from ..restore.search import (
    DELETED,
    FILTERS,
    TYPES,
    Criteria,
    Match,
    Period,
    Unread,
    nearest,
    periods,
    search,
)
from ..restore.shown import Paths, shown
from .call import Call
from .node import Node
from .recovery import blobs_of
from .searching import LIMIT, chosen, date_limit, first


def item(
    node: Node, account: str, item: str, *, date: str = moment.LAST, backup_path: str = "", blobs_archive: str = "",
    volume_prefix: str = "", dump_blob: bool = False,
) -> dict[str, Any]:
    """Return what a backup knows of an item: one state, or all of them (R-029 to R-031).

    :param account: id, address or alias. :param item: its id. :param date: a moment, last, first or all.
    :param blobs_archive: the bucket to read contents from, by id or label of its configuration.
    :param dump_blob: also return the content of the last of the states, "blob", as bytes.
    :raises NotFound: unknown account or item. :raises InvalidInput: there was no such state.
    :raises RestanteError: the content cannot be read; the text names the nearest state whose content is there.
    """
    with contextlib.closing(node.repository(backup_path)) as source:
        owner = find_account(source, account)
        described = _Described(source, owner.entry.entry_id, blobs_of(node, source, blobs_archive, volume_prefix))
        described.in_bucket = bool(blobs_archive)
        states = periods(source, owner.entry.entry_id, item)
        wanted = chosen(source, states, date, node.settings.time_zone)
        last = wanted[-1]
        whole = described.restorable(last)
        other = nearest(states, last, lambda one: described.restorable(one) and not _same_content(one, last))
        instead = (
            "No other state of this item has a content that is there." if other is None
            else f"The nearest state that can be restored is that of {moment.iso(other.start)}."
        )
        result = {
            "account": owner.shown(),
            "item_id": item,
            "type": last.state.kind if last.state else "",
            "deleted": last.deleted,
            "item_states": [described.period(period) for period in wanted],
            "nearest_restorable": moment.iso(other.start) if other and not whole else "",
            "warnings": [] if whole else [f"The content of the last state shown is not in the backup. {instead}"],
        }
        if dump_blob:
            try:
                result["blob"] = described.content(last)
            except (NotFound, Damaged) as error:
                raise type(error)(f"{error} {instead}") from error
    return result


def _same_content(one: Period, other: Period) -> bool:
    return isinstance(one.state, ItemState) and isinstance(other.state, ItemState) and (
        one.state.digest == other.state.digest
    )


class _Described:
    """States of an account's items, as they are shown."""

    def __init__(self, source: Repository, account_id: str, blobs: Blobs) -> None:
        self._source = source
        self._account_id = account_id
        self._blobs = blobs
        self.in_bucket = False
        """Whether contents are read from a bucket, which is not asked for each."""

    def period(self, period: Period) -> dict[str, Any]:
        """Return a state with its time and place."""
        path, offset = self._place(period)
        record: dict[str, Any] = {
            "start_date": moment.iso(period.start),
            "end_date": "" if period.end is None else moment.iso(period.end),
            "type": period.state.kind if period.state else "",
            "deleted": period.deleted,
            "blob_path": path,
            "blob_offset": offset,
            "restorable": self.restorable(period),
        }
        if isinstance(period.state, ItemState):
            record["folder_path"] = Paths(self._source, self._account_id, period.start).path(period.state.folder)
        return {**record, "metadata": shown(period.state) if period.state else {}}

    def restorable(self, period: Period) -> bool:
        """Return whether a state's content, if it has one, is where contents are read from."""
        if period.state is None:
            return False
        if not isinstance(period.state, ItemState) or not period.state.digest:
            return True
        path, _offset = self._place(period)
        return bool(path) and (self.in_bucket or os.path.exists(path))

    def _place(self, period: Period) -> tuple[str, int]:
        digest = period.state.digest if isinstance(period.state, ItemState) else ""
        location = self._source.locate([digest]).get(digest) if digest else None
        if location is None:
            return "", 0
        name = packs.file_name(location.pack)
        return (name if self.in_bucket else self._source.files.path(name)), location.offset

    def content(self, period: Period) -> bytes:
        """Return a state's content. :raises RestanteError: it has none, or it cannot be read."""
        if not isinstance(period.state, ItemState) or not period.state.digest:
            raise InvalidInput("An item of this kind has no content; leave out dump_blob.")
        if self.restorable(period):
            for _digest, content in self._blobs.read([period.state.digest]):
                if isinstance(content, bytes):
                    return content
                raise content
        raise NotFound(f"The content of the state of {moment.iso(period.start)} is not in the backup.")


def answer_item(call: Call) -> dict[str, Any]:
    """Answer the module item_info; the content goes into a file, never into the result."""
    path = call["dump_path"]
    result = item(
        call.node(), call["account"], call["item"], date=call["date"], backup_path=call["backup_path"] or "",
        blobs_archive=call["blobs_archive"], volume_prefix=call["volume_prefix"], dump_blob=bool(path),
    )
    content = result.pop("blob", None)
    warnings = result.pop("warnings")
    changed = content is not None and _dump(content, os.path.abspath(path), call.check_mode)
    return {"changed": changed, "warnings": warnings, "item": result}


def _dump(content: bytes, path: str, check_mode: bool) -> bool:
    """Write a content to a file that only this user may read; False when it is there.

    :raises AlreadyExists: there is something else, which is left alone.
    """
    with files.explained("write", path):
        if os.path.lexists(path):
            if _holds(path, content):
                return False
            raise AlreadyExists(f"{path} is there and has another content; it is left alone. Name another file.")
        if not check_mode:
            files.store(io.BytesIO(content), path, os.path.dirname(path), overwrite=False)
    return True


def _holds(path: str, content: bytes) -> bool:
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode) or status.st_size != len(content):
        return False
    with open(path, "rb") as file:
        return file.read() == content


def search_items(
    node: Node, account: str, *, backup_path: str = "", id: str = "", search_string: str = "", type: str = "message",
    before: str = "", after: str = "", deleted_before: str = "", deleted_after: str = "", search_filter: str = DELETED,
    raw_metadata: bool = False, in_content: bool = False, blobs_archive: str = "", volume_prefix: str = "",
    limit: int = LIMIT,
) -> dict[str, Any]:
    """Return the items of an account that match all that is given (R-032 to R-034).

    :param before: and the other dates: a moment; empty for any time. :param limit: how many items at most; 0 for all.
    :param in_content: look for search_string among the contents too.
    :param blobs_archive: the bucket to read contents from, by id or label of its configuration; empty for the packs of
        this backup.
    :return: "account", "items", "truncated" (whether there are more), "warnings" (contents that could not be read).
    :raises NotFound: unknown account. :raises InvalidInput: nothing can match.
    """
    if type not in TYPES:
        raise InvalidInput(f"There is no type {type!r}; there are {', '.join(TYPES)}.")
    if search_filter not in FILTERS:
        raise InvalidInput(f"There is no search_filter {search_filter!r}; there are {', '.join(FILTERS)}.")
    if in_content and not search_string:
        raise InvalidInput("in_content looks for search_string among the contents; give both.")
    zone = node.settings.time_zone
    wanted = Criteria(
        id, search_string, TYPES[type], date_limit(after, zone), date_limit(before, zone),
        date_limit(deleted_after, zone), date_limit(deleted_before, zone), search_filter,
    ).check()
    unread: list[Unread] = []
    with contextlib.closing(node.repository(backup_path)) as source:
        owner = find_account(source, account)
        paths = Paths(source, owner.entry.entry_id)
        blobs = blobs_of(node, source, blobs_archive, volume_prefix) if in_content else None
        with contextlib.closing(search(source, owner.entry.entry_id, wanted, blobs)) as results:
            found, truncated = first(_readable(results, unread), limit)
            items = [_match(match, paths, raw_metadata) for match in found]
    warnings = [
        f"The contents of {len(unread)} items could not be looked into; the first, item {unread[0].item_id}: "
        f"{unread[0].error}"
    ] if unread else []
    return {"account": owner.shown(), "items": items, "truncated": truncated, "warnings": warnings}


def _readable(results: Iterable[Match | Unread], unread: list[Unread]) -> Iterator[Match]:
    for one in results:
        if isinstance(one, Match):
            yield one
        else:
            unread.append(one)


def _match(match: Match, paths: Paths, raw_metadata: bool) -> dict[str, Any]:
    state = match.state
    record: dict[str, Any] = {
        "item_id": state.item_id,
        "type": state.kind,
        "deleted": match.deleted_at is not None,
        "deleted_at": "" if match.deleted_at is None else moment.iso(match.deleted_at),
        "folder_path": paths.path(state.folder),
        "name": state.name,
        "subject": str(state.attrs.get("subject", "")),
        "sender": str(state.attrs.get("sender", "")),
        "date": moment.iso(state.date) if state.date else "",
        "size": state.size,
    }
    return {**record, "metadata": shown(state)} if raw_metadata else record


def answer_search(call: Call) -> dict[str, Any]:
    """Answer the module item_search_info."""
    names = (
        "id", "search_string", "type", "before", "after", "deleted_before", "deleted_after", "search_filter",
        "raw_metadata", "in_content", "blobs_archive", "volume_prefix", "limit",
    )
    given = {name: call[name] for name in names}
    return search_items(call.node(), call["account"], backup_path=call["backup_path"] or "", **given)


def map_rows(file_path: str) -> list[dict[str, str]]:
    """Return what a map file says (R-260). :raises NotFound, Damaged: there is none, or it is something else."""
    return [row._asdict() for row in read_map(file_path)]
