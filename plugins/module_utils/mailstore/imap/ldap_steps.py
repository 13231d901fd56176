# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several writes to an LDAP server of which either all are done or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ...model.errors import NotFound, RestanteError
from .ldap_names import first, parent, rdn, under
from .ldap_server import REPLACE, Attributes, Change, Found, LdapServer


class Steps:
    """Writes that can be taken back. LDAP has no transactions; what is one operation is all or nothing by itself."""

    def __init__(self, server: LdapServer) -> None:
        self._server = server
        self._done: list[tuple[str, Callable[[], None]]] = []

    def __bool__(self) -> bool:
        return bool(self._done)

    def add(self, dn: str, attributes: Attributes) -> None:
        """Add an entry."""
        self._server.add(dn, attributes)
        self._done.append((f"{dn!r} was added", lambda: self._server.delete(dn)))

    def modify(self, found: Found, changes: Sequence[Change]) -> None:
        """Change an entry. :param found: as it is now, all attributes that are to change among the rest."""
        before = [(REPLACE, attribute, found.values(attribute)) for _how, attribute, _values in changes]
        self._server.modify(found.dn, changes)
        self._done.append((f"{found.dn!r} was changed", lambda: self._server.modify(found.dn, before)))

    def rename(self, dn: str, to: str, new: bool) -> None:
        """Give an entry another first part of its DN; the value that it had there goes.

        :param new: whether the value that it gets there is one that it has not had before.
        """
        self._server.rename(dn, to, drop=True)
        self._done.append((
            f"{dn!r} was renamed", lambda: self._server.rename(under(parent(dn), to), rdn(*first(dn)), drop=new)
        ))

    def move(self, dn: str, to: str) -> None:
        """Give an entry, and with it all that lies under it, another DN; what its first part was goes."""
        self._server.rename(dn, rdn(*first(to)), drop=True, above=parent(to))
        self._done.append((
            f"{dn!r} was moved", lambda: self._server.rename(to, rdn(*first(dn)), drop=True, above=parent(dn))
        ))

    def delete(self, found: Found) -> None:
        """Remove an entry that nothing lies under. :param found: as it is now, with all attributes."""
        self._server.delete(found.dn)
        self._done.append((f"{found.dn!r} was deleted", lambda: self._server.add(found.dn, found.attrs)))

    def take_back(self) -> str:
        """Take all back, the last one first; return what could not be, empty for all."""
        left = []
        while self._done:
            what, undo = self._done.pop()
            try:
                undo()
            except NotFound:
                pass
            except RestanteError as error:
                left.append(f"{what} ({error})")
        return "; ".join(left)


@contextmanager
def all_or_none(server: LdapServer) -> Iterator[Steps]:
    """Take all steps back when an error ends the with statement; the error says what could not be."""
    steps = Steps(server)
    try:
        yield steps
    except RestanteError as error:
        left = steps.take_back()
        if left:
            raise type(error)(f"{error} What was done before could not be taken back: {left}.") from error
        raise
