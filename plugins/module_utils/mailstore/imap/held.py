# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a mail server that speaks IMAP can hold of an item, and as what."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ...model import kinds, moment
from ...model.state import NO_ATTRS, ItemState
from . import marks, names
from .annotations import ATTRIBUTE, meant

LAST_DATE: Final = (2**31 - 1) * 1000
"""Servers keep an internal date in 32 bits."""
_AHEAD: Final = 3600 * 1000
LONGEST_KEYWORD: Final = 50
"""What Dovecot takes by default."""
_COLOR: Final = re.compile("#[0-9a-f]{6}")
_BARE_LF: Final = re.compile(rb"\n(?<!\r\n)")
"""Begins with a plain octet, as that is looked for many times faster than what may come before one."""
_NO_WORD: Final = re.compile(r"[^\x21-\x7e]|[\"%()*\\\]{]")


def blob(content: bytes) -> bytes:
    """Return a message as a server gives it back: lines of mail end with CR LF (RFC 5322 section 2.1)."""
    if _BARE_LF.search(content):
        content = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return content[:-1] if content.endswith(b"\r") else content


def date(milliseconds: int) -> int | None:
    """Return an internal date that a server can hold: whole seconds, and of what was.

    :return: None for one that it takes for the present moment, without saying so (Dovecot 2.3 does with the future).
    """
    if milliseconds > min(LAST_DATE, moment.now() + _AHEAD):
        return None
    return max(milliseconds, 1000) // 1000 * 1000  # Cyrus takes the very first second for none


def keyword(tag: str) -> str:
    """Return the keyword for a tag, empty where no server takes one for it."""
    word = names.keyword(tag)
    return "" if len(word) > LONGEST_KEYWORD or _NO_WORD.search(word) else word


def message(state: ItemState) -> ItemState:
    """Return what can be held of a message: what shows it in a list is in its header. No date is 0."""
    return state._replace(name="", flags=marks.held(state.flags), date=date(state.date) or 0, attrs=NO_ATTRS)


def folder(state: ItemState, grants: list[dict[str, object]], annotations: Mapping[str, str]) -> ItemState:
    """Return what can be held of a folder.

    :param grants: those of its shares that can be. :param annotations: those that it would have and can be.
    """
    flags, attrs = folder_marks("*" in state.flags, grants, annotations)
    return state._replace(flags=flags, date=0, tags=(), attrs=attrs)


def folder_marks(
    subscribed: bool, grants: Sequence[Mapping[str, Any]], annotations: Mapping[str, str]
) -> tuple[str, Mapping[str, Any]]:
    """Return flags and attributes of the folder that a mailbox is."""
    flags, attrs = meant(annotations)
    if grants:
        attrs["grants"] = grants
    return "".join(sorted(flags + "*" * subscribed)), attrs or NO_ATTRS


def collection(state: ItemState) -> ItemState:
    """Return what can be held of an address book or a calendar: its name, and a calendar's color."""
    view, color = state.attrs.get("view"), str(state.attrs.get("color", "")).lower()
    attrs = {"view": view, "color": color} if view != kinds.CONTACT and _COLOR.fullmatch(color) else {"view": view}
    return state._replace(flags="", date=0, tags=(), attrs=attrs)


def resource(state: ItemState) -> ItemState:
    """Return what can be held of what lies in an address book or a calendar: its content."""
    return state._replace(name="", flags="", date=0, tags=(), attrs=NO_ATTRS)


def other(state: ItemState) -> ItemState:
    """Return what can be held of a tag or a filter set."""
    if state.kind not in (kinds.TAG, kinds.FILTER_SET):
        return state
    script = state.attrs.get("script")
    attrs = {"script": script} if state.kind == kinds.FILTER_SET and script else NO_ATTRS
    return ItemState(state.item_id, state.kind, name=state.name, size=state.size, digest=state.digest, attrs=attrs)


def lost(state: ItemState, kept: ItemState) -> tuple[str, ...]:
    """Return what an item loses that becomes another one. Below a second no date counts."""
    gone = [f"flag {letter}" for letter in state.flags if letter not in kept.flags]
    if kept.date // 1000 != state.date // 1000 and state.kind not in (kinds.FOLDER, kinds.TAG, kinds.FILTER_SET):
        gone.append("date")
    if not set(state.tags) <= set(kept.tags):
        gone.append("tags")
    for name, value in state.attrs.items():
        if name == "grants":
            gone += ["share"] * (len(value) - len(kept.attrs.get(name, ())))
        elif name == ATTRIBUTE and isinstance(value, dict):
            there = kept.attrs.get(name, {})
            gone += [f"annotation {entry}" for entry in value if there.get(entry) != value[entry]]
        elif name not in _SHOWN and kept.attrs.get(name) != value and value:
            gone.append(f"attribute {name}")
    return tuple(gone)


_SHOWN: Final = frozenset(("subject", "sender", "uid", "view"))
"""What follows from the content, or from what a folder holds."""
