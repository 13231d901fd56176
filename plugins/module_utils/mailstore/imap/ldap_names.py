# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of an LDAP directory: distinguished names, filters, and what attributes and object classes are called there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from ...model.errors import InvalidInput

_SPECIAL: Final = re.compile(r'[\0-\x1f"+,;<=>\\#]|\A | \Z')
_FILTERED: Final = re.compile(r"[\0()*\\]")
_RDN: Final = re.compile(r"(?:\\.|[^\\,])+", re.DOTALL)
_PART: Final = re.compile(r"(?:\\.|[^\\+])+", re.DOTALL)
_ESCAPED: Final = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)


def rdn(attribute: str, value: str) -> str:
    """Return the first part of a DN (RFC 4514); the value may be any text."""
    return f"{attribute}={_SPECIAL.sub(_hexadecimal, value)}"


def under(parent: str, *rdns: str) -> str:
    """Return the DN of what lies under another; the root is empty."""
    return ",".join((*rdns, parent)) if parent else ",".join(rdns)


def parent(dn: str) -> str:
    """Return the DN of what an entry lies under."""
    return ",".join(_RDN.findall(dn)[1:])


def depth(dn: str) -> int:
    """Return how many parts a DN has."""
    return len(_RDN.findall(dn))


def first(dn: str) -> tuple[str, str]:
    """Return attribute, in small letters, and value of the first part of a DN."""
    return _pair(_PART.findall(_RDN.findall(dn)[0])[0])


def is_dn(text: str) -> bool:
    """Return whether a text can be a DN; the empty one is the root."""
    parts = _RDN.findall(text)
    return ",".join(parts) == text and all(re.match(r"\s*[A-Za-z0-9.-]+\s*=.", part) for part in parts)


def key(dn: str) -> str:
    """Return what is equal for two ways to write one DN."""
    return ",".join(
        "+".join(sorted(rdn(attribute, value.casefold()) for attribute, value in map(_pair, _PART.findall(part))))
        for part in _RDN.findall(dn)
    )


def is_within(dn: str, base: str) -> bool:
    """Return whether a DN is the base or lies under it."""
    return not base or f",{key(dn)}".endswith(f",{key(base)}")


def moved(dn: str, old: str, new: str) -> str:
    """Return the DN of what lies within one entry when it lies within another one."""
    parts = _RDN.findall(dn)
    return under(new, *parts[:len(parts) - depth(old)])


def domain_dn(domain: str, base: str) -> str:
    """Return where a domain lies: dc=example,dc=com, under the base unless it is in there by itself.

    :raises InvalidInput: it is no name of a domain.
    """
    labels = domain.split(".")
    if not all(labels):
        raise InvalidInput(f"{domain!r} is no name of a domain; give one such as example.com.")
    dn = under("", *(rdn("dc", _ascii(label)) for label in labels))
    return dn if is_within(dn, base) else under(base, dn)


def domain_of(dn: str) -> str:
    """Return the name of the domain that a DN lies in, empty for none."""
    return ".".join(_spoken(value) for attribute, value in map(first, _RDN.findall(dn)) if attribute == "dc")


def spoken(domain: str) -> str:
    """Return the name of a domain in its own letters (RFC 3490), as it is where it has none."""
    return ".".join(map(_spoken, domain.split(".")))


def _ascii(label: str) -> str:
    """Return a part of a domain's name as a dc, which has letters of ASCII alone (RFC 4519 section 2.4)."""
    try:
        return label if label.isascii() else label.encode("idna").decode("ascii")
    except UnicodeError:
        return label


def _spoken(label: str) -> str:
    try:
        return label.encode("ascii").decode("idna") if label.startswith("xn--") else label
    except UnicodeError:
        return label


def equal(attribute: str, value: str) -> str:
    """Return the filter (RFC 4515) that finds a value; it may be any text."""
    return f"({attribute}={_FILTERED.sub(_hexadecimal, value)})"


def ending(attribute: str, value: str) -> str:
    """Return the filter that finds what ends with a text."""
    return f"({attribute}=*{_FILTERED.sub(_hexadecimal, value)})"


def any_of(filters: Iterable[str]) -> str:
    """Return the filter that finds what one of several finds."""
    return f"(|{''.join(filters)})"


def all_of(*filters: str) -> str:
    """Return the filter that finds what each of several finds."""
    return f"(&{''.join(filters)})"


class Names:
    """What attributes and object classes are called in this directory, where Carbonio calls them otherwise."""

    def __init__(self, mapping: Mapping[str, str]) -> None:
        """:param mapping: settings.ldap_attributes; an empty name says that this directory has no such thing."""
        self._there = {name.lower(): attribute for name, attribute in mapping.items()}
        self._here = {attribute.lower(): name for name, attribute in mapping.items()}

    def there(self, name: str) -> str:
        """Return what the directory calls it, empty where it has none. Options (";binary") stay."""
        plain, semicolon, options = name.partition(";")
        attribute = self._there.get(plain.lower(), plain)
        return f"{attribute}{semicolon}{options}" if attribute else ""

    def here(self, attribute: str) -> str:
        """Return what the model calls an attribute of the directory."""
        plain, semicolon, options = attribute.partition(";")
        return f"{self._here.get(plain.lower(), plain)}{semicolon}{options}"


def _hexadecimal(found: re.Match[str]) -> str:
    return "".join(f"\\{byte:02X}" for byte in found[0].encode())


def _pair(part: str) -> tuple[str, str]:
    attribute, _equals, value = part.partition("=")
    return attribute.strip().lower(), _ESCAPED.sub(_plain, value)


def _plain(found: re.Match[str]) -> str:
    return bytes.fromhex(found[1].replace("\\", "")).decode("utf-8", "replace") if found[1] else found[2]
