# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the contents of the items of one account, wherever they lie."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ...model import kinds
from ...model.errors import NotFound, Refused
from ..index.items import number_of
from . import names
from .collection_writing import KINDS
from .collections import Collections
from .connection import Ended
from .filters import Filters
from .mirror import Mirror
from .session import Session
from .sync import Synchroniser

_BYTES_AHEAD: Final = 8 * 1024 * 1024


class Contents:
    """The contents of one account's items."""

    def __init__(
        self, mirror: Mirror, account: str, session: Session, synchroniser: Synchroniser, filters: Filters | None,
        collections: Collections | None,
    ) -> None:
        self._mirror = mirror
        self._account = account
        self._number = mirror.number(account)
        self._session = session
        self._synchroniser = synchroniser
        self._filters = filters
        self._collections = collections

    def read(self, item_ids: Sequence[str]) -> list[bytes | Exception]:
        """Return the contents of items in this order; of one that cannot be read, why."""
        found: dict[str, bytes | Exception] = {}
        uids: dict[bytes, dict[int, list[str]]] = {}
        hrefs: dict[str, str] = {}
        rows = _rows(self._mirror, self._number, "kind, locator, folder", item_ids)
        folders = self._mirror.folders(self._number)
        for item_id in dict.fromkeys(item_ids):
            row = rows.get(number_of(item_id))
            if row is None:
                found[item_id] = NotFound(f"There is no item {item_id} in the mailbox of {self._session.address}.")
            elif row[0] == kinds.MESSAGE:
                if not row[1] or row[2] not in folders:
                    found[item_id] = NotFound(f"The message {item_id} of {self._session.address} is nowhere.")
                else:
                    uids.setdefault(folders[row[2]].name, {}).setdefault(int(row[1]), []).append(item_id)
            elif row[0] == kinds.FILTER_SET and self._filters is not None:
                try:
                    found[item_id] = self._filters.read(row[1])
                except NotFound as error:
                    found[item_id] = error
            elif row[0] in KINDS and self._collections is not None:
                hrefs[row[1]] = item_id
            else:
                found[item_id] = NotFound(f"Item {item_id} is a {row[0]}, which has no content.")
        if self._collections is not None:
            for href, content in zip(hrefs, self._collections.read(list(hrefs))):
                found[hrefs[href]] = content
        gone: list[str] = []
        for name, wanted in uids.items():
            contents = _fetched(self._session, name, list(wanted))
            self._mirror.learn(self._number, {
                number_of(item_id): content for uid, content in contents.items() if isinstance(content, bytes)
                for item_id in wanted[uid]
            })
            for uid, items in wanted.items():
                if uid in contents:
                    found.update(dict.fromkeys(items, contents[uid]))
                else:
                    gone += items
        if gone:  # they may be elsewhere by now
            with self._mirror.alone(self._account):
                self._synchroniser.run()
        for item_id in gone:
            found[item_id] = self._now(item_id)
        return [found[item_id] for item_id in item_ids]

    def _now(self, item_id: str) -> bytes | Exception:
        """Return the content of a message that was not where it was last seen, from where it is seen now."""
        try:
            remote, uid = self._mirror.locate(self._number, number_of(item_id))
        except NotFound as error:
            return error
        content = _fetched(self._session, remote.name, [uid]).get(uid)
        if content is None:
            return NotFound(f"The message {item_id} is gone from the mailbox of {self._session.address}.")
        return content


def portions(mirror: Mirror, number: int, item_ids: Sequence[str]) -> Iterator[list[str]]:
    """Cut items into what is read together."""
    portion: list[str] = []
    size = 0
    sizes = _rows(mirror, number, "size", item_ids)
    for item_id in item_ids:
        portion.append(item_id)
        size += sum(sizes.get(number_of(item_id), ()))
        if size >= _BYTES_AHEAD or len(portion) >= 500:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _rows(mirror: Mirror, number: int, columns: str, item_ids: Sequence[str]) -> dict[int, tuple[Any, ...]]:
    """Return columns of items, by their numbers."""
    return {row[0]: row[1:] for row in mirror.database.execute(
        f"SELECT id, {columns} FROM items WHERE mailbox = ? AND id IN (SELECT value FROM json_each(?))",
        (number, json.dumps(list(map(number_of, item_ids)))),
    ).fetchall()}


def _fetched(session: Session, name: bytes, uids: Sequence[int], again: bool = False) -> dict[int, bytes | Exception]:
    """Return contents by UID. One that the server refuses to give, or ends the connection at, costs no other.

    :param again: whether it is the last time that one is asked for.
    """
    try:
        return dict(session.contents(name, uids))
    except NotFound:  # the folder is
        return {}
    except Refused as error:
        refusal = error
        again = True
    except Ended as error:
        session.reopen()
        refusal = Refused(
            f"{session.server} ends the connection when it is asked for the message with the UID {uids[0]} in "
            f"{names.decoded(name)!r} of {session.address}: it cannot read it, or not give it. Look into its log. "
            f"({error})"
        )
    if len(uids) > 1:
        half = len(uids) // 2
        return {**_fetched(session, name, uids[:half]), **_fetched(session, name, uids[half:])}
    return {uids[0]: refusal} if again else _fetched(session, name, uids, again=True)
