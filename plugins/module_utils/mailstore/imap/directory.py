# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a mail server that speaks IMAP needs of a directory: who has a mailbox, and what else is known of them."""

from __future__ import annotations

import abc
from collections.abc import Iterator

from ...model.state import Entry
from ..port import keep_shape


class Directory(abc.ABC):
    """Domains, classes of service, distribution lists and accounts. Errors as those of port.MailStore."""

    @property
    @abc.abstractmethod
    def entry_kinds(self) -> frozenset[str]:
        """The kinds of entry that can be written."""

    @property
    @abc.abstractmethod
    def keeps_entry_ids(self) -> bool:
        """True where an entry can be created with the id that it had."""

    @abc.abstractmethod
    def entries(self, kind: str) -> Iterator[Entry]:
        """Yield all entries of a kind, by name."""

    @abc.abstractmethod
    def find(self, kind: str, name_or_id: str) -> Entry | None:
        """Return the entry with this name (case does not matter) or id, None if there is none."""

    @abc.abstractmethod
    def create(self, entry: Entry) -> Entry:
        """Create an entry; return it as it is now. As MailStore.create_entry."""

    @abc.abstractmethod
    def update(self, entry: Entry) -> bool:
        """Merge attributes, aliases, members and signatures into the entry of this id. As MailStore.update_entry."""

    def reshape(self, entry: Entry, half: str = "") -> bool:
        """Give the entry of this id this very name, aliases, members and signatures. As MailStore.reshape_entry.

        :param half: the other name, where a process that gave it this one may have been killed in the middle of that.
        """
        return keep_shape(entry, self.find(entry.kind, entry.entry_id), "in a list of accounts")

    @abc.abstractmethod
    def delete(self, kind: str, entry_id: str) -> None:
        """Delete an entry. As MailStore.delete_entry, but for mailboxes: those are the mail server's."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release the connection."""
