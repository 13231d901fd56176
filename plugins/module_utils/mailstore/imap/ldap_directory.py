# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directory of a mail server in LDAP: OpenLDAP with Carbonio's names, or with others that settings map to them.

Where things lie: an account or a list at uid=<local part>,ou=people,dc=example,dc=com, a domain at dc=example,dc=com, a
class of service at cn=<name>,cn=cos,cn=zimbra, each under settings.ldap_base; what they lie under is made when it is
missing. What is there already may lie anywhere: it is known by its object class. settings.ldap_attributes says what
attributes and object classes are called here, by Carbonio's names for them; an empty name says that there is none. A
directory of inetOrgPerson, for example:

    {"zimbraAccount": "inetOrgPerson", "zimbraId": "entryUUID", "zimbraMailAlias": "mail", "zimbraDomain": "dcObject",
     "zimbraDomainName": "", "zimbraMailDeliveryAddress": "", "zimbraSignature": ""}

Who binds needs to read all attributes, userPassword too: what the server hides is not in a backup, and nothing tells.
Aliases are values of zimbraMailAlias and mail; the entries that Carbonio makes for them besides (zimbraAlias) are not
made, but deleted with their account. Accounts without an address (Carbonio's own, under cn=zimbra) and dynamic lists
are not looked at.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Final

from ...model import foreign, kinds
from ...model.errors import AlreadyExists, InvalidInput, NotFound, Refused
from ...model.state import Entry
from ..port import shape
from .directory import Directory
from .ldap_entries import ID, LAYOUTS, NAME, OBJECT_CLASS, WITH_ADDRESSES, Entries, changed
from .ldap_names import Names, all_of, any_of, domain_dn, equal, first, is_within, key, moved, parent, rdn, under
from .ldap_server import ALL, CHILDREN, Found, LdapServer
from .ldap_signatures import SIGNATURE, Signatures, ordered
from .ldap_sorter import Sorter
from .ldap_steps import all_or_none
from .ldap_writing import NOTHING, Writer
from .settings import ImapSettings

_GIVEN_BY_SERVERS: Final = ("entryuuid", "nsuniqueid", "objectguid", "ipauniqueid")
"""Attributes that nobody else can write."""


class LdapDirectory(Directory):
    """The directory of one server. Makes no request when constructed. Errors as those of LdapServer."""

    def __init__(self, settings: ImapSettings) -> None:
        """:raises InvalidInput: python-ldap is missing, or a setting cannot be used."""
        self._server = LdapServer(settings)
        self._base = settings.ldap_base
        self._names = Names(settings.ldap_attributes)
        self._entries = Entries(self._names)
        self._signatures = Signatures(self._names)
        self._writer = Writer(self._server, self._names, self._base)
        self._id = self._names.there(ID)
        self._attributes = ("*", self._id) if self._id else ("*",)

    @property
    def entry_kinds(self) -> frozenset[str]:
        return frozenset(kind for kind, layout in LAYOUTS.items() if self._names.there(layout.known_by))

    @property
    def keeps_entry_ids(self) -> bool:
        return bool(self._id) and self._id.lower() not in _GIVEN_BY_SERVERS

    def entries(self, kind: str) -> Iterator[Entry]:
        return self._server.reading(lambda: self._sorted(kind))

    def find(self, kind: str, name_or_id: str) -> Entry | None:
        found = self._find(kind, name_or_id)
        return None if found is None else self._entry(kind, found, self._entries.name(kind, found))

    def create(self, entry: Entry) -> Entry:
        self._check(entry)
        dn = self._place(entry)
        self._refuse_taken(entry)
        made = entry._replace(entry_id=(entry.entry_id or str(uuid.uuid4())) if self.keeps_entry_ids else "")
        attributes = self._entries.new(made, dn)
        on_account, further = self._signatures.merge(Found(dn, attributes), (), entry.signatures)
        attributes = changed(attributes, on_account)
        with all_or_none(self._server) as steps:
            add = self._writer.add_domain if entry.kind == kinds.DOMAIN else self._writer.add
            add(steps, dn, attributes)
            for signature in further:
                self._writer.write_signature(steps, dn, self._signatures, signature)
        found = self._server.get(dn, self._attributes)
        if found is None:
            raise NotFound(f"{entry.name} is not there though it was created; somebody else may have deleted it.")
        return self._entry(entry.kind, found, entry.name)

    def update(self, entry: Entry) -> bool:
        self._check(entry)
        found = self._by_id(entry.kind, entry.entry_id)
        name = self._entries.name(entry.kind, found)
        changes = self._entries.changes(entry, found, name)
        self._refuse_claimed(entry, [
            alias for alias in entry.aliases
            if alias.casefold() not in map(str.casefold, (name, *self._entries.aliases(entry.kind, found, name)))
        ], found.dn)
        after = Found(found.dn, changed(found.attrs, changes))
        children = self._children(found.dn) if entry.signatures else []
        on_account, further = self._signatures.merge(after, children, entry.signatures)
        changes += on_account
        with all_or_none(self._server) as steps:
            for signature in further:
                self._writer.write_signature(steps, found.dn, self._signatures, signature)
            if changes:
                steps.modify(found, changes)
            return bool(steps)

    def reshape(self, entry: Entry, half: str = "") -> bool:
        self._check(entry)
        found = self._by_id(entry.kind, entry.entry_id)
        name = self._entries.name(entry.kind, found)
        present = self._entry(entry.kind, found, name)
        if shape(present) == shape(entry):
            return False
        to = self._renamed(entry, found, name)
        had = {address.casefold() for address in (name, *present.aliases)}
        self._refuse_claimed(
            entry, [address for address in (entry.name, *entry.aliases) if address.casefold() not in had], found.dn
        )
        changes = self._entries.reshaped(entry, found, [name, half] if half else [name])
        children = self._children(found.dn) if entry.kind == kinds.ACCOUNT else []
        emptied, gone = self._signatures.gone(found, children, entry.signatures)
        after = Found(found.dn, changed(found.attrs, changes + emptied))
        on_account, further = self._signatures.merge(
            after, [child for child in children if child not in gone], entry.signatures
        )
        with all_or_none(self._server) as steps:
            for child in (*gone, *self._writer.aliases_besides(entry)):
                steps.delete(child)
            for signature in further:
                self._writer.write_signature(steps, found.dn, self._signatures, signature)
            # The DN first: as long as the name is the old one it is seen that there is something left to be done.
            self._writer.move(steps, found.dn, to)
            if changes or emptied or on_account:
                steps.modify(Found(to, found.attrs), changes + emptied + on_account)
            made = self.find(entry.kind, entry.entry_id)
            if made is None or shape(made) != shape(entry):
                raise Refused(
                    f"The {entry.kind} {name} cannot be told from its other addresses when it is called {entry.name}, "
                    f"where it lies ({to!r}); do that by hand."
                )
        return True

    def _renamed(self, entry: Entry, found: Found, name: str) -> str:
        """Return the DN of an entry once it has another name; as far as it follows from the name.

        :raises Refused: it cannot lie there. :raises NotFound: there is no such domain.
        :raises AlreadyExists: another one is called so.
        """
        attribute, value = first(found.dn)
        if entry.name == name:
            return found.dn
        if entry.kind not in WITH_ADDRESSES:
            if entry.name.casefold() == name.casefold() and entry.kind == kinds.DOMAIN:
                return found.dn
            if entry.name.casefold() != name.casefold() and self._find(entry.kind, entry.name) is not None:
                raise AlreadyExists(f"{entry.name} is there already.")
            if entry.kind == kinds.COS:
                return under(parent(found.dn), rdn(attribute, entry.name))
            to = domain_dn(entry.name, self._base)
            if key(to) != key(found.dn):
                self._writer.check_domain_moves(name, found, to)
            return to
        (local, _at, domain), above = entry.name.rpartition("@"), parent(found.dn)
        local_before, _at, domain_before = name.rpartition("@")
        if domain.casefold() != domain_before.casefold():
            new, old = self._find(kinds.DOMAIN, domain), self._find(kinds.DOMAIN, domain_before)
            if new is None:
                raise NotFound(f"The domain {domain!r} of {entry.name} does not exist; create it first.")
            if old is not None and is_within(above, old.dn) and not (
                is_within(new.dn, old.dn) and is_within(above, new.dn)  # it is there already
            ):
                above = moved(above, old.dn, new.dn)
        return under(above, rdn(attribute, local if value.casefold() == local_before.casefold() else value))

    def delete(self, kind: str, entry_id: str) -> None:
        found = self._by_id(kind, entry_id)
        name = self._entries.name(kind, found)
        if kind == kinds.DOMAIN:
            within = all_of(self._with_addresses(), any_of(self._entries.addressed_in(name)))
            if self._server.reading(lambda: next(self._server.everything(within, NOTHING), None)):
                raise Refused(f"The domain {name} still has accounts or lists and was not deleted.")
            self._writer.delete_domain(name, found, self._names.there(LAYOUTS[kind].known_by))
        else:
            aliases = [alias.dn for alias in self._writer.alias_entries(entry_id)] if kind in WITH_ADDRESSES else []
            self._writer.delete_with_all_below(name, found.dn, aliases)

    def close(self) -> None:
        self._server.close()

    def _search(self, wanted: str, attributes: Sequence[str] = ()) -> list[Found]:
        return self._server.search(self._base, ALL, wanted, attributes or self._attributes)

    def _sorted(self, kind: str) -> Iterator[Entry]:
        sorter = Sorter()
        signatures = self._signatures.known_by() if kind == kinds.ACCOUNT else ""
        for found in self._server.everything(any_of((self._entries.known_by(kind), signatures)), self._attributes):
            if signatures and self._names.there(SIGNATURE).casefold() in map(str.casefold, found.texts(OBJECT_CLASS)):
                sorter.add_signature(found.dn, self._signatures.read(found))
                continue
            name = self._entries.name(kind, found)
            if name:
                own = self._signatures.own(found) if kind == kinds.ACCOUNT else ()
                sorter.add(found.dn, self._entries.read(kind, found, name, own))
        return (
            entry._replace(signatures=(*entry.signatures, *ordered(further))) for entry, further in sorter.sorted()
        )

    def _find(self, kind: str, name_or_id: str) -> Found | None:
        _check_text(name_or_id)
        wanted = any_of((*self._identified(name_or_id), self._entries.named(kind, name_or_id)))
        for found in self._search(all_of(self._entries.known_by(kind), wanted)) if name_or_id else ():
            name = self._entries.name(kind, found)
            if name and (name.casefold() == name_or_id.casefold() or found.text(self._id) == name_or_id):
                return found
        return None

    def _entry(self, kind: str, found: Found, name: str) -> Entry:
        signatures = (
            *self._signatures.own(found), *ordered(map(self._signatures.read, self._children(found.dn))),
        ) if kind == kinds.ACCOUNT else ()
        return self._entries.read(kind, found, name, signatures)

    def _children(self, dn: str) -> list[Found]:
        """Return the signatures under an account."""
        wanted = self._signatures.known_by()
        return self._server.search(dn, CHILDREN, wanted, ("*",)) if wanted else []

    def _identified(self, entry_id: str) -> tuple[str, ...]:
        return (equal(self._id, entry_id),) if self._id else ()

    def _by_id(self, kind: str, entry_id: str) -> Found:
        _check_text(entry_id)
        if entry_id and self._id:
            for found in self._search(all_of(self._entries.known_by(kind), *self._identified(entry_id))):
                if found.text(self._id) == entry_id:
                    return found
        raise NotFound(f"There is no {kind} with the id {entry_id!r}; it may have been deleted.")

    def _with_addresses(self) -> str:
        return any_of(map(self._entries.known_by, WITH_ADDRESSES))

    def _check(self, entry: Entry) -> None:
        if entry.kind not in kinds.ENTRY_KINDS or not entry.name:
            raise InvalidInput(f"{entry.kind!r} {entry.name!r} is no entry that a directory can hold.")
        if entry.kind not in self.entry_kinds:
            raise Refused(f"{entry.name} cannot be kept: ldap_attributes says that this directory has no {entry.kind}.")
        _check_text(entry.name, entry.entry_id, *entry.aliases, *entry.members, *entry.attrs)
        for values in (*entry.attrs.values(), *(signature.values() for signature in entry.signatures)):
            _check_text(*values)

    def _place(self, entry: Entry) -> str:
        """Return the DN of a new entry. :raises NotFound: its domain does not exist."""
        if entry.kind == kinds.DOMAIN:
            return domain_dn(entry.name, self._base)
        if entry.kind == kinds.COS:
            return under(self._base, rdn("cn", entry.name), "cn=cos", "cn=zimbra")
        local, _at, domain = entry.name.rpartition("@")
        found = self._find(kinds.DOMAIN, domain)
        if found is None:
            raise NotFound(f"The domain {domain!r} of {entry.name} does not exist; create it first.")
        return under(found.dn, rdn(self._names.there(NAME), local), "ou=people")

    def _refuse_taken(self, entry: Entry) -> None:
        """Refuse a new entry whose id, name or aliases another one has."""
        if entry.entry_id and self.keeps_entry_ids:
            known = any_of(map(self._entries.known_by, kinds.ENTRY_KINDS))
            for found in self._search(all_of(known, *self._identified(entry.entry_id)), NOTHING):
                raise AlreadyExists(f"The id {entry.entry_id} of {entry.name} is taken by the entry {found.dn!r}.")
        if entry.kind in WITH_ADDRESSES:
            self._refuse_claimed(entry, (entry.name, *entry.aliases))
        elif self._find(entry.kind, entry.name):
            raise AlreadyExists(f"{entry.name} is there already.")

    def _refuse_claimed(self, entry: Entry, addresses: Sequence[str], own: str = "") -> None:
        """Refuse an entry that claims addresses of another one. :param own: its DN, if it is there."""
        if not addresses:
            return
        claimed = any_of(one for address in addresses for one in self._entries.addressed(address))
        for found in self._search(all_of(self._with_addresses(), claimed)):
            if not own or key(found.dn) != key(own):
                theirs = {address.casefold() for address in self._entries.addresses(found)}
                address = next((one for one in addresses if one.casefold() in theirs), entry.name)
                raise AlreadyExists(f"The address {address} of {entry.name} is taken by the entry {found.dn!r}.")


def _check_text(*texts: str) -> None:
    for text in texts:
        if not foreign.is_text(text):
            raise InvalidInput(f"{text!r} is not Unicode text, and nothing here is called so.")
