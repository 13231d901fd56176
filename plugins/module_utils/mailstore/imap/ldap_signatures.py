# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures of an account in LDAP, as Carbonio keeps them.

The first one is on the account itself, in attributes that are then fields of the signature and nothing else; each
further one is an entry under it, called by its name, or by its id where it has no name or shares it with another one.
Each has one content: where there is a plain one and one in HTML, it is the latter; where there is none, there is no
type either.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from ...model.errors import Refused
from .ldap_names import Names, equal, first, key, rdn
from .ldap_server import REPLACE, Attributes, Change, Found

SIGNATURE: Final = "zimbraSignature"
_ID: Final = "zimbraSignatureId"
_NAME: Final = "zimbraSignatureName"
_CONTENTS: Final = (("text/html", "zimbraPrefMailSignatureHTML"), ("text/plain", "zimbraPrefMailSignature"))
SLOT: Final = (_ID, _NAME, *(attribute for _type, attribute in _CONTENTS))
"""The attributes of a signature."""


class Wanted(NamedTuple):
    """A signature that an entry of its own is to hold."""

    child: Found | None
    """The entry that is there already."""
    rdn: str
    """The first part of its DN from now on."""
    attributes: Attributes


class Signatures:
    """Translates signatures."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._id = names.there(_ID)

    def known_by(self) -> str:
        """Return the filter that finds entries that are signatures; empty where there are none."""
        name = self._names.there(SIGNATURE)
        return equal("objectClass", name) if name else ""

    def read(self, found: Found) -> dict[str, str]:
        """Return the signature that an entry holds."""
        signature = {"id": found.text(self._id), "name": found.text(self._names.there(_NAME))}
        for type_, attribute in _CONTENTS:
            content = found.text(self._names.there(attribute))
            if content:
                signature.update({"type": type_, "content": content})
                break
        return {name: text for name, text in signature.items() if text}

    def own(self, account: Found) -> tuple[Mapping[str, str], ...]:
        """Return the signature that is on an account itself, if there is one."""
        return (self.read(account),) if has_slot(self._names, account) else ()

    def merge(
        self, account: Found, children: Sequence[Found], signatures: Sequence[Mapping[str, str]]
    ) -> tuple[list[Change], list[Wanted]]:
        """Return what to change on an account, and which entries under it to make or change.

        :param signatures: they replace those of the same id. :raises Refused: this directory has no signatures.
        """
        changes: list[Change] = []
        wanted = []
        by_id = {child.text(self._id): child for child in children}
        called = {key(_first(child.dn)) for child in children}
        occupied = any(account.values(self._names.there(attribute)) for attribute in SLOT)
        for signature_id, attributes in self._attributes(account, signatures).items():
            child = by_id.get(signature_id)
            if account.text(self._id) == signature_id or not (child or occupied):
                changes += differences(account, attributes)
                occupied = True
            elif child is None or differences(child, attributes):
                wanted.append(Wanted(child, self._called(child, signature_id, attributes, called), attributes))
                called.add(key(wanted[-1].rdn))
        return changes, wanted

    def gone(
        self, account: Found, children: Sequence[Found], signatures: Sequence[Mapping[str, str]]
    ) -> tuple[list[Change], list[Found]]:
        """Return what to change on an account, and which entries under it to delete, for what it has besides to go."""
        ids = self._attributes(account, signatures)
        changes: list[Change] = []
        if has_slot(self._names, account) and account.text(self._id) not in ids:
            present = [there for attribute in SLOT if account.values(there := self._names.there(attribute))]
            changes = [(REPLACE, attribute, ()) for attribute in present]
        return changes, [child for child in children if child.text(self._id) not in ids]

    def _attributes(self, account: Found, signatures: Sequence[Mapping[str, str]]) -> dict[str, Attributes]:
        """Return the attributes of signatures by their ids; one without gets one by its name."""
        if signatures and not (self._id and self.known_by()):
            raise Refused("This directory has nowhere to keep signatures: ldap_attributes maps them to nothing.")
        found: dict[str, Attributes] = {}
        for signature in signatures:
            name, content = signature.get("name", ""), signature.get("content", "")
            signature_id = signature.get("id") or str(uuid.uuid5(uuid.NAMESPACE_OID, f"{key(account.dn)}\n{name}"))
            type_ = "text/html" if signature.get("type") == "text/html" else "text/plain"
            texts = {_ID: signature_id, _NAME: name, **{
                attribute: content if type_ == this_type else "" for this_type, attribute in _CONTENTS
            }}
            found[signature_id] = {
                self._names.there(attribute): [text.encode()] if text else [] for attribute, text in texts.items()
            }
        return found

    def _called(self, child: Found | None, signature_id: str, attributes: Attributes, called: set[str]) -> str:
        """Return the first part of the DN of a signature. :param called: the first parts that are taken."""
        attribute = self._names.there(_NAME)
        names = list(attributes[attribute])
        if child and (names == list(child.values(attribute)) or not self.is_called_by_name(child.dn)):
            return _first(child.dn)
        name = rdn(attribute, names[0].decode()) if names else ""
        if child and key(name) == key(_first(child.dn)):
            return name  # its case has changed
        return name if name and key(name) not in called else rdn(self._id, signature_id)

    def is_called_by_name(self, dn: str) -> bool:
        """Return whether a signature's DN begins with its name."""
        return first(dn)[0] == self._names.there(_NAME).lower()


def has_slot(names: Names, account: Found) -> bool:
    """Return whether an account has a signature on itself."""
    return bool(account.values(names.there(_ID)))


def ordered(further: Iterable[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Return the signatures of entries under an account in an order that is always the same."""
    return sorted(further, key=lambda signature: (signature.get("name", ""), signature.get("id", "")))


def differences(found: Found, attributes: Attributes) -> list[Change]:
    """Return what makes an entry have these attributes."""
    return [
        (REPLACE, attribute, values) for attribute, values in attributes.items()
        if set(values) != set(found.values(attribute))
    ]


def _first(dn: str) -> str:
    return rdn(*first(dn))
