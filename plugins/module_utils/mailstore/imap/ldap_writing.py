# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What takes more than one entry of an LDAP directory to write: domains, signatures, and all that lies under others."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

from ...model.errors import AlreadyExists, NotFound, Refused, RestanteError
from ...model.state import Entry
from .ldap_entries import OBJECT_CLASS, WITH_ADDRESSES
from .ldap_names import Names, depth, domain_of, equal, first, is_within, key, parent, under
from .ldap_server import ADD, ALL, CHILDREN, REPLACE, Attributes, Change, Found, LdapServer
from .ldap_signatures import SIGNATURE, Signatures, Wanted, differences
from .ldap_steps import Steps

NOTHING: Final = ("1.1",)
"""No attributes (RFC 4511 section 4.5.1.8)."""

_ALL: Final = "(objectClass=*)"
_NODE: Final = (b"dcObject", b"organization")
_CONTAINERS: Final = {
    "dc": ("o", _NODE), "ou": ("ou", (b"organizationalUnit",)), "cn": ("cn", (b"organizationalRole",)),
}
"""What entries lie under, by the first part of its DN: what else it needs that name as, and its object classes."""
_CONTAINER_CLASSES: Final = {b"top", b"organizationalunit", b"organizationalrole"}


class Writer:
    """Writes to one directory."""

    def __init__(self, server: LdapServer, names: Names, base: str) -> None:
        self._server = server
        self._names = names
        self._base = base

    def add(self, steps: Steps, dn: str, attributes: Attributes) -> None:
        """Add an entry; what it lies under is made where it is missing, and stays."""
        try:
            steps.add(dn, attributes)
        except NotFound:
            self._make(parent(dn))
            steps.add(dn, attributes)

    def move(self, steps: Steps, dn: str, to: str) -> None:
        """Give an entry another DN; what it lies under there is made where it is missing, and stays."""
        if dn == to:
            return
        try:
            steps.move(dn, to)
        except NotFound:
            self._make(parent(to))
            steps.move(dn, to)

    def add_domain(self, steps: Steps, dn: str, attributes: Attributes) -> None:
        """Add a domain; what other domains lie under already becomes one itself."""
        node = self._server.get(dn, ("*",))
        if node is None:
            self.add(steps, dn, attributes)
            return
        present = {value.lower() for value in node.values(OBJECT_CLASS)}
        classes = [value for value in attributes[OBJECT_CLASS] if value.lower() not in present]
        changes: list[Change] = [(ADD, OBJECT_CLASS, classes)]
        changes += differences(node, {
            attribute: values for attribute, values in attributes.items() if attribute not in (OBJECT_CLASS, "dc")
        })
        steps.modify(node, changes)

    def write_signature(self, steps: Steps, account: str, signatures: Signatures, wanted: Wanted) -> None:
        """Make or change the entry of a signature. :param account: the DN that it lies under."""
        if wanted.child is None:
            steps.add(under(account, wanted.rdn), {
                OBJECT_CLASS: [self._names.there(SIGNATURE).encode()], **wanted.attributes,
            })
            return
        child, renamed = wanted.child, under(account, wanted.rdn)
        if first(renamed) != first(child.dn) and signatures.is_called_by_name(child.dn):
            steps.rename(child.dn, wanted.rdn, signatures.is_called_by_name(renamed))
            child = self._server.get(renamed, ("*",)) or Found(renamed, {})
        changes = differences(child, wanted.attributes)
        if changes:
            steps.modify(child, changes)

    def delete_with_all_below(self, name: str, dn: str, beside: Sequence[str] = ()) -> None:
        """Delete an entry and all under it. :param beside: DNs of what goes with it; :param name: for messages."""
        below = [found.dn for found in self._server.search(dn, ALL, _ALL, NOTHING)]
        deleted = 0
        try:
            for one in [*beside, *sorted(below, key=depth, reverse=True)]:  # the entry itself last: it can be found
                with contextlib.suppress(NotFound):
                    self._server.delete(one)
                deleted += 1
        except RestanteError as error:
            if deleted:
                raise type(error)(
                    f"{error} {name} is deleted in part: {deleted} of {len(below) + len(beside)} entries are gone. "
                    "Delete it again."
                ) from error
            raise

    def delete_domain(self, name: str, found: Found, known_by: str) -> None:
        """Delete a domain without accounts and lists, and the empty entries that those would lie under.

        What other domains lie under stays, but is no domain any more.

        :param known_by: the object class of domains. :raises Refused: something else lies under it.
        """
        children = self._server.search(found.dn, CHILDREN, _ALL, (OBJECT_CLASS,))
        domains = [child for child in children if first(child.dn)[0] == "dc"]
        if domains and known_by.lower().encode() in [value.lower() for value in _NODE]:
            raise Refused(f"The domain {name} was not deleted: others lie under it. Delete those first.")
        for child in children:
            foreign = {value.lower() for value in child.values(OBJECT_CLASS)} - _CONTAINER_CLASSES
            if child not in domains and (foreign or self._server.search(child.dn, CHILDREN, _ALL, NOTHING)):
                raise Refused(f"The domain {name} was not deleted: empty {child.dn!r} first.")
        if not domains and key(found.dn) != key(self._base):
            self.delete_with_all_below(name, found.dn)
            return
        self._server.modify(found.dn, [(REPLACE, OBJECT_CLASS, _NODE), *(
            (REPLACE, attribute, ()) for attribute in found.attrs if attribute.lower() not in ("objectclass", "dc", "o")
        )])

    def check_domain_moves(self, name: str, found: Found, to: str) -> None:
        """Refuse to give a domain another DN, with all that lies under it, where that cannot be done.

        :raises Refused: it cannot, with what to do instead.
        """
        why = ""
        if key(found.dn) == key(self._base):
            why = "it is ldap_base, under which everything lies"
        elif is_within(to, found.dn) or any(
            first(child.dn)[0] == "dc" for child in self._server.search(found.dn, CHILDREN, _ALL, NOTHING)
        ):
            why = "other domains lie under it, or it would lie under itself"
        elif self._server.get(to, NOTHING) is not None:
            why = f"there is an entry {to!r} already"
        if why:
            raise Refused(
                f"The domain {name} cannot be renamed: {why}. Create the domain with its new name, give its accounts "
                "and lists their new addresses, and delete the old one."
            )

    def alias_entries(self, entry_id: str) -> list[Found]:
        """Return the entries that Carbonio has for the aliases of an account or list."""
        of_aliases, target = self._names.there("zimbraAlias"), self._names.there("zimbraAliasTargetId")
        if not (of_aliases and target):
            return []
        wanted = f"(&{equal(OBJECT_CLASS, of_aliases)}{equal(target, entry_id)})"
        return self._server.search(self._base, ALL, wanted, ("*",))

    def aliases_besides(self, entry: Entry) -> list[Found]:
        """Return those entries for aliases whose address is none of an entry's."""
        wanted = {alias.casefold() for alias in entry.aliases}
        return [
            found for found in self.alias_entries(entry.entry_id)
            if f"{first(found.dn)[1]}@{domain_of(found.dn)}".casefold() not in wanted
        ] if entry.kind in WITH_ADDRESSES else []

    def _make(self, dn: str) -> None:
        """Make what an entry is to lie under, from the top down."""
        missing = []
        while dn and key(dn) != key(self._base) and self._server.get(dn, NOTHING) is None:
            missing.append(dn)
            dn = parent(dn)
        for one in reversed(missing):
            attribute, value = first(one)
            if attribute not in _CONTAINERS:
                raise Refused(f"{one!r} does not exist, and what it would have to be is not known; create it.")
            also, classes = _CONTAINERS[attribute]
            with contextlib.suppress(AlreadyExists):  # somebody else was quicker
                self._server.add(one, {OBJECT_CLASS: classes, attribute: [value.encode()], also: [value.encode()]})
