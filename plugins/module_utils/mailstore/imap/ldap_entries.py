# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an entry of the model is in an LDAP directory with Carbonio's names, and back.

Attributes are UTF-8 text. One with a value that is not (a picture, a certificate) is called "<name>;base64" in the
model, and all of its values are base64; such a name is written back as the bytes.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ...model import kinds
from ...model.errors import InvalidInput, Refused
from ...model.state import Entry
from .ldap_names import Names, domain_of, ending, equal, first, spoken
from .ldap_server import ADD, REPLACE, Change, Found
from .ldap_signatures import SLOT, has_slot

OBJECT_CLASS: Final = "objectClass"
ID: Final = "zimbraId"
NAME: Final = "uid"
MAIL: Final = "mail"
ALIAS: Final = "zimbraMailAlias"
MEMBER: Final = "zimbraMailForwardingAddress"
DELIVERY: Final = "zimbraMailDeliveryAddress"
DOMAIN_NAME: Final = "zimbraDomainName"

WITH_ADDRESSES: Final = (kinds.ACCOUNT, kinds.DISTRIBUTION_LIST)


class Layout(NamedTuple):
    """How one kind of entry is kept."""

    known_by: str
    """The object class that makes an entry one of this kind."""
    classes: tuple[str, ...]
    """All object classes of a new one."""
    own: tuple[str, ...]
    """Attributes that are fields of an entry of their own, or the server's alone."""


LAYOUTS: Final = {
    kinds.DOMAIN: Layout(
        "zimbraDomain", ("dcObject", "organization", "zimbraDomain"), (OBJECT_CLASS, ID, DOMAIN_NAME, "dc")
    ),
    kinds.COS: Layout("zimbraCOS", ("zimbraCOS",), (OBJECT_CLASS, ID, "cn")),
    kinds.DISTRIBUTION_LIST: Layout(
        "zimbraDistributionList", ("zimbraDistributionList", "zimbraMailRecipient"),
        (OBJECT_CLASS, ID, NAME, MAIL, ALIAS, MEMBER),
    ),
    kinds.ACCOUNT: Layout(
        "zimbraAccount", ("inetOrgPerson", "zimbraAccount"), (OBJECT_CLASS, ID, NAME, MAIL, ALIAS)
    ),
}
_FURTHER_CLASSES: Final = (("amavis", "amavisAccount"), ("zimbraCalRes", "zimbraCalendarResource"))
"""Object classes that an entry has only for the sake of attributes that begin so."""

_BASE64: Final = ";base64"
_ATTRIBUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*(;[A-Za-z0-9-]+)*", re.ASCII)


class Entries:
    """Translates entries."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._own = {
            kind: {names.there(name).lower() for name in layout.own} for kind, layout in LAYOUTS.items()
        }

    def known_by(self, kind: str) -> str:
        """Return the filter that finds all entries of a kind."""
        name = self._names.there(LAYOUTS[kind].known_by)
        return equal(OBJECT_CLASS, name) if name else "(!(objectClass=*))"

    def named(self, kind: str, name: str) -> str:
        """Return a filter that finds the entry of this name, and perhaps others: see name."""
        if kind == kinds.COS:
            return equal(self._names.there("cn"), name)
        if kind == kinds.DOMAIN:
            attribute = self._names.there(DOMAIN_NAME)
            return equal(attribute, name) if attribute else equal("dc", name.partition(".")[0])
        return equal(self._names.there(MAIL), name)

    def addressed(self, address: str) -> list[str]:
        """Return the filters that find whose name or alias an address is."""
        return [equal(attribute, address) for attribute in self._addresses()]

    def addressed_in(self, domain: str) -> list[str]:
        """Return the filters that find whose name or alias is in a domain."""
        return [ending(attribute, f"@{domain}") for attribute in self._addresses()]

    def addresses(self, found: Found) -> list[str]:
        """Return name and aliases of an entry."""
        return [address for attribute in self._addresses() for address in found.texts(attribute)]

    def name(self, kind: str, found: Found) -> str:
        """Return the name of an entry; empty for one without an address, which is nobody's mailbox."""
        if kind == kinds.COS:
            return first(found.dn)[1]
        if kind == kinds.DOMAIN:
            return found.text(self._names.there(DOMAIN_NAME)) or domain_of(found.dn)
        # Which of its addresses is the name says the DN, as Carbonio has it; elsewhere the first one that is no alias.
        aliases = {alias.casefold() for alias in found.texts(self._names.there(ALIAS))}
        user, domain = first(found.dn)[1].casefold(), domain_of(found.dn).casefold()

        def likely(address: str) -> tuple[bool, bool]:
            local, _at, host = address.casefold().rpartition("@")
            return local == user and f"{domain}.".startswith(f"{spoken(host)}."), address.casefold() not in aliases

        return max(found.texts(self._names.there(MAIL)), key=likely, default="")

    def entry_id(self, found: Found) -> str:
        """Return the id of an entry. :raises InvalidInput: it has none."""
        entry_id = found.text(self._names.there(ID))
        if not entry_id:
            raise InvalidInput(
                f"The entry {found.dn!r} has no {self._names.there(ID) or ID}, by which it would be known after a "
                "change of its name. Where a directory has none, map zimbraId to entryUUID with ldap_attributes."
            )
        return entry_id

    def read(self, kind: str, found: Found, name: str, signatures: Sequence[Mapping[str, str]] = ()) -> Entry:
        """Return an entry as the model has it. :param name: what name gave."""
        hidden, fillers = self._hidden(kind, found), self._fillers(kind, name)
        attrs = {}
        for attribute, values in found.attrs.items():
            lower = attribute.lower()
            if lower in hidden or list(values) == fillers.get(lower):
                continue
            here = self._names.here(attribute)
            try:
                attrs[here] = tuple(value.decode("utf-8") for value in values)
            except UnicodeDecodeError:
                attrs[here + _BASE64] = tuple(base64.b64encode(value).decode("ascii") for value in values)
        return Entry(
            self.entry_id(found), kind, name, attrs, self.aliases(kind, found, name), self.members(kind, found),
            tuple(signatures),
        )

    def aliases(self, kind: str, found: Found, name: str) -> tuple[str, ...]:
        """Return the further addresses of an entry."""
        if kind not in WITH_ADDRESSES:
            return ()
        texts = found.texts(self._names.there(ALIAS))
        return tuple(text for text in texts if text.casefold() != name.casefold())

    def members(self, kind: str, found: Found) -> tuple[str, ...]:
        """Return the members of a list."""
        return tuple(found.texts(self._names.there(MEMBER))) if kind == kinds.DISTRIBUTION_LIST else ()

    def new(self, entry: Entry, dn: str) -> dict[str, Sequence[bytes]]:
        """Return the attributes of an entry to be made. Those of its signatures are not among them.

        :param entry: with its id, which is empty where the server gives one.
        :raises Refused: this directory has nowhere to keep something of it.
        """
        naming, value = first(dn)
        texts = {self._names.there(ID): entry.entry_id}
        if entry.kind == kinds.DOMAIN:
            texts[self._names.there(DOMAIN_NAME)] = entry.name
        elif entry.kind == kinds.DISTRIBUTION_LIST:  # Carbonio counts its name among its aliases
            texts.update(dict.fromkeys(self._addresses(), entry.name))
        elif entry.kind == kinds.ACCOUNT:
            texts[self._names.there(MAIL)] = entry.name
        made: dict[str, Sequence[bytes]] = {
            OBJECT_CLASS: self._classes(LAYOUTS[entry.kind].classes), naming: [value.encode()],
            **self._fillers(entry.kind, entry.name),
            **{attribute: _encode([text]) for attribute, text in texts.items() if attribute and text},
        }
        return changed(made, self.changes(entry, Found(dn, made), entry.name))

    def changes(self, entry: Entry, found: Found, name: str) -> list[Change]:
        """Return what makes an entry that is there have these attributes, aliases and members.

        :param name: of the entry that is there. :raises Refused: this directory has nowhere to keep something of it.
        """
        changes: list[Change] = []
        fillers = self._fillers(entry.kind, name)
        hidden = self._hidden(entry.kind, found)
        for attribute, values in self._encoded(entry).items():
            wanted = values or fillers.get(attribute.lower(), [])
            if attribute.lower() not in hidden and set(wanted) != set(found.values(attribute)):
                changes.append((REPLACE, attribute, wanted))
        for attribute, texts in self._additions(entry, found, name).items():
            added = _added(found.texts(attribute), texts)
            if added:
                changes.append((ADD, attribute, _encode(added)))
        return changes

    def reshaped(self, entry: Entry, found: Found, names: Sequence[str]) -> list[Change]:
        """Return what makes an entry that is there have this name, and these aliases and members, and no others.

        Its DN is not among that.

        :param names: those that the entry that is there may have. :raises Refused: as changes.
        """
        wanted: dict[str, Sequence[str]] = {}
        if entry.kind in WITH_ADDRESSES:
            if entry.aliases:
                self._has(ALIAS, f"aliases of {entry.name}")
            of_lists = (entry.name,) if entry.kind == kinds.DISTRIBUTION_LIST else ()
            wanted[self._names.there(ALIAS)] = (*of_lists, *entry.aliases)
            wanted[self._names.there(MAIL)] = (entry.name, *entry.aliases)
        if entry.kind == kinds.DISTRIBUTION_LIST:
            wanted[self._has(MEMBER, "members") if entry.members else self._names.there(MEMBER)] = entry.members
        if entry.kind == kinds.DOMAIN:
            wanted[self._names.there(DOMAIN_NAME)] = (entry.name,)
        before, after = [self._fillers(entry.kind, name) for name in names], self._fillers(entry.kind, entry.name)
        encoded = {attribute: _encode(texts) for attribute, texts in wanted.items() if attribute}
        encoded.update({one: after[one] for one in after if list(found.values(one)) in [was[one] for was in before]})
        return [
            (REPLACE, attribute, values) for attribute, values in encoded.items()
            if set(values) != set(found.values(attribute))
        ]

    def _additions(self, entry: Entry, found: Found, name: str) -> dict[str, Sequence[str]]:
        """Return what is only ever added to: classes, aliases and members."""
        additions: dict[str, Sequence[str]] = {OBJECT_CLASS: [
            self._names.there(further) for prefix, further in _FURTHER_CLASSES if self._names.there(further)
            and any(values and attribute.startswith(prefix) for attribute, values in entry.attrs.items())
        ]}
        if entry.kind in WITH_ADDRESSES:
            aliases = _added((name, *self.aliases(entry.kind, found, name)), entry.aliases)
            if aliases:
                self._has(ALIAS, f"aliases of {entry.name}")
            additions.update(dict.fromkeys(self._addresses(), aliases))
        if entry.kind == kinds.DISTRIBUTION_LIST and entry.members:
            additions[self._has(MEMBER, f"members of {entry.name}")] = entry.members
        return additions

    def _addresses(self) -> list[str]:
        """Return the attributes that hold addresses of an entry."""
        return list(dict.fromkeys(filter(None, map(self._names.there, (MAIL, ALIAS)))))

    def _classes(self, classes: Sequence[str]) -> list[bytes]:
        return _encode([there for there in map(self._names.there, classes) if there])

    def _hidden(self, kind: str, found: Found) -> set[str]:
        """Return the attributes of an entry, in small letters, that are fields of their own in the model."""
        if kind == kinds.ACCOUNT and has_slot(self._names, found):
            return self._own[kind] | {self._names.there(attribute).lower() for attribute in SLOT}
        return self._own[kind]

    def _has(self, name: str, what: str) -> str:
        attribute = self._names.there(name)
        if not attribute:
            raise Refused(f"This directory has nowhere to keep {what}: ldap_attributes maps {name} to nothing.")
        return attribute

    def _encoded(self, entry: Entry) -> dict[str, list[bytes]]:
        """Return the attributes of an entry as this directory has them."""
        encoded = {}
        for name, values in entry.attrs.items():
            plain = name[:-len(_BASE64)] if name.endswith(_BASE64) else name
            if not _ATTRIBUTE.fullmatch(plain):
                raise Refused(f"{name!r} of {entry.name} cannot be the name of an attribute in LDAP.")
            attribute = self._has(plain, f"{plain} of {entry.name}") if values else self._names.there(plain)
            if attribute:
                encoded[attribute] = _encode(values) if plain == name else _decode(name, values)
        return encoded

    def _fillers(self, kind: str, name: str) -> dict[str, list[bytes]]:
        """Return what an entry has where nothing else is known, by attribute in small letters.

        A person needs a common name and a surname, an organization its name; and mail of an account is delivered to
        its own address. What is only that is not part of an entry of the model.
        """
        if kind == kinds.ACCOUNT:
            local = name.rpartition("@")[0]
            texts = {"cn": local, "sn": local, DELIVERY: name}
        else:
            texts = {"o": name} if kind == kinds.DOMAIN else {}
        there = {self._names.there(attribute).lower(): [text.encode()] for attribute, text in texts.items()}
        return {attribute: values for attribute, values in there.items() if attribute}


def changed(attributes: Mapping[str, Sequence[bytes]], changes: Sequence[Change]) -> dict[str, Sequence[bytes]]:
    """Return the attributes of an entry after changes."""
    after = dict(attributes)
    spelled = {attribute.lower(): attribute for attribute in attributes}
    for how, attribute, values in changes:
        attribute = spelled.setdefault(attribute.lower(), attribute)
        after[attribute] = values if how == REPLACE else [*after.get(attribute, ()), *values]
    return after


def _added(present: Sequence[str], given: Sequence[str]) -> list[str]:
    """Return those texts that are not among others yet, each once; case does not matter."""
    known = {text.casefold() for text in present}
    added: dict[str, str] = {}
    for text in given:
        if text.casefold() not in known:
            added.setdefault(text.casefold(), text)
    return list(added.values())


def _encode(texts: Sequence[str]) -> list[bytes]:
    return [text.encode() for text in dict.fromkeys(texts)]


def _decode(name: str, values: Sequence[str]) -> list[bytes]:
    try:
        return [base64.b64decode(value, validate=True) for value in dict.fromkeys(values)]
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"The value of {name} is no base64 ({error}).") from error
