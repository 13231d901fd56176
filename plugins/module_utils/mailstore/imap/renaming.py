# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renaming accounts: the directory gives one another address, and its mailbox has to be the one that it was.

Whether it is depends on how the mail server finds mailboxes. One that finds them by an attribute that stays shows the
same one; one that finds them by the address would show an empty one, and whoever gets the old address next would find
the mail there. So what is shown is looked at, and the old address is given back where it is another mailbox.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol

from ...model.errors import InvalidInput, NotFound, Refused
from ...model.state import Entry
from .collections import Collections
from .directory import Directory
from .session import Session


class Shown(Protocol):
    """The connections of an account."""

    @property
    def session(self) -> Session:
        """That to its mail."""

    @property
    def collections(self) -> Collections | None:
        """That to its address books and calendars."""


def standing(shown: Shown) -> object:
    """Return by what the mail server knows a mailbox, whatever its address is."""
    inbox = [(one.guid, one.uidvalidity) for one in shown.session.mailboxes() if one.name == b"INBOX"]
    collections = () if shown.collections is None else shown.collections.account.collections()
    return inbox, sorted((one.name, one.view, one.tag) for one in collections)


@contextlib.contextmanager
def followed(present: Entry, entry: Entry, directory: Directory, look: Callable[[str], object]) -> Iterator[None]:
    """Rename an account within the with statement, and look whether its mailbox has come along.

    :param look: returns by what its mailbox is known. :raises Refused: it has not, and the account is what it was.
    """
    before = look(present.entry_id)
    yield
    same = False
    try:
        with contextlib.suppress(InvalidInput, NotFound, Refused):
            same = look(entry.entry_id) == before
    finally:
        if not same:
            directory.reshape(present)
            with contextlib.suppress(InvalidInput, NotFound, Refused):
                look(present.entry_id)
    if not same:
        raise Refused(
            f"The account {present.name} cannot be called {entry.name}: the mail server finds mailboxes by the "
            "address, and shows another one under that. Have it find them by what stays (zimbraId, entryUUID), or move "
            "the mailbox there and do that by hand."
        )
