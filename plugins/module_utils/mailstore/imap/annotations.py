# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Annotations of mailboxes (RFC 5464): what users and programs have noted on them.

Those that are text are kept with the folder as they are, by the names of their entries. What the model has of a folder
and IMAP has no place for (color, url, and flags but that of a subscription) is noted in one entry of ours.

An annotation that changes leaves no trace in how a mailbox stands. So all are asked for where a folder is new and when
everything is looked at, and otherwise those of the usual names and of names that were seen in this account before:
Cyrus takes some five times as long to give all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ...model import foreign
from ...model.errors import Refused
from .session import Session
from .tree import Folder

ATTRIBUTE: Final = "imap_metadata"
"""The attribute of a folder that has the annotations as the server has them: values by entries."""
OURS: Final = "/private/vendor/restante/folder"
_USUAL: Final = frozenset((OURS, "/private/comment", "/shared/comment"))
_ENTRY: Final = re.compile(r"/(?:private|shared)(?:/[!#$&-)+-.0-\[\]-~]+)+")
"""RFC 5464 section 4.1, and no quotes: those of programs have none."""
_OTHERWISE: Final = re.compile(
    r"/(?:private|shared)/(?:specialuse|vendor/(?:cmu/cyrus-imapd|vendor\.dovecot)/.*)", re.IGNORECASE
)
"""What a server itself says in this way, and what a folder has otherwise."""
_NO_TEXT: Final = "\0"
"""RFC 5464 lets values have it; neither Dovecot nor Cyrus takes one."""


class Annotations:
    """The annotations of the folders of one account."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.known = session.supports("METADATA")
        self._names = set(_USUAL)
        self._taken: dict[str, bool] = {}

    def of_folders(
        self, folders: Sequence[Folder], before: Mapping[int, Mapping[str, Any]], thorough: bool
    ) -> dict[int, dict[str, str]]:
        """Return the annotations of each folder.

        :param before: the attributes of those that were seen before. :param thorough: ask for all.
        """
        if not self.known:
            return {}
        for attrs in before.values():
            self._names.update(attrs.get(ATTRIBUTE, ()))
        found: dict[int, dict[str, str]] = {}
        for entries in (sorted(self._names), []):
            asked = [one for one in folders if bool(entries) == (not thorough and one.item in before)]
            told = self._session.annotations_of([one.mailbox.name for one in asked], entries)
            for folder, values in zip(asked, told):
                found[folder.item] = {entry: values[entry] for entry in sorted(values) if _is_kept(entry)}
                self._taken.update(dict.fromkeys(values, True))
        return found

    def held(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Return those of some annotations that this server takes."""
        return {entry: value for entry, value in wanted.items() if self._takes(entry)} if self.known else {}

    def put(self, name: bytes, wanted: Mapping[str, str], present: Mapping[str, str]) -> None:
        """Give a mailbox these annotations. :raises Refused: the server says no to some; the others it has."""
        refused: list[Refused] = []
        for entry in sorted({*wanted, *present}):
            if wanted.get(entry) != present.get(entry):
                self._names.add(entry)
                try:
                    self._session.annotate(name, entry, wanted.get(entry))
                except Refused as error:
                    refused.append(error)
                    self._taken[entry] = False
        if refused:
            raise refused[0]

    def _takes(self, entry: str) -> bool:
        """Return whether the server takes annotations of a name: it says so only when one tries to.

        Taking away from the INBOX what it has not changes nothing.
        """
        if entry not in self._taken:
            self._taken[entry] = entry in self._session.annotations_of([b"INBOX"], [entry])[0]
            if not self._taken[entry]:
                try:
                    self._session.annotate(b"INBOX", entry, None)
                    self._taken[entry] = True
                except Refused:
                    pass
        return self._taken[entry]


def noted(flags: str, attrs: Mapping[str, Any]) -> dict[str, str]:
    """Return the annotations that a folder of the model is to have."""
    present = attrs.get(ATTRIBUTE)
    wanted = {entry.lower(): value for entry, value in (present.items() if isinstance(present, dict) else ())}
    values = {
        entry: value for entry, value in wanted.items()
        if _is_kept(entry) and entry != OURS and foreign.is_text(value) and _NO_TEXT not in value
    }
    ours = _ours({"flags": flags.replace("*", ""), **{name: attrs[name] for name in ("color", "url") if name in attrs}})
    return {**values, OURS: json.dumps(ours, sort_keys=True)} if ours else values


def meant(annotations: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """Return flags and attributes of the folder of the model that a mailbox with these annotations is."""
    try:
        found = foreign.parse(annotations.get(OURS, "{}"))
    except ValueError:
        found = {}
    ours = _ours(found if isinstance(found, dict) else {})
    flags = ours.pop("flags", "")
    others = {entry: value for entry, value in annotations.items() if entry != OURS}
    return flags, {**ours, ATTRIBUTE: others} if others else ours


def _is_kept(entry: str) -> bool:
    return bool(_ENTRY.fullmatch(entry)) and not _OTHERWISE.fullmatch(entry)


def _ours(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is as it can be of what was or is to be noted."""
    color, url, flags = found.get("color"), found.get("url"), found.get("flags")
    kept: dict[str, Any] = {}
    if foreign.is_text(color) or isinstance(color, int) and not isinstance(color, bool):
        kept["color"] = color
    if foreign.is_text(url) and url:
        kept["url"] = url
    if isinstance(flags, str) and flags:
        kept["flags"] = "".join(sorted({letter for letter in flags if "!" <= letter <= "~" and letter != "*"}))
    return kept
