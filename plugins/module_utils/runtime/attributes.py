# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attributes of accounts, classes of service, domains and of the node: got, set, unset, dumped (R-012, R-305, R-306).

Those of the node are its settings under the vendor's names; the global level is what they are by default.
"""

from __future__ import annotations

import contextlib
import dataclasses
import platform
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..backup.repository import Repository
from ..mailstore.port import MailStore
from ..model import kinds
from ..model.configuration import SECRETS, Value, effective
from ..model.errors import InvalidInput, NotFound
from ..model.state import Entry
from ..model.switch import ATTRIBUTE as BACKUP_ENABLED
from ..model.switch import Switch
from ..restore.accounts import find_account
from . import settings as settings_file
from .call import Call
from .node import Node
from .settings import Settings

ACCOUNT: Final = "account"
COS: Final = "cos"
DOMAIN: Final = "domain"
SERVER: Final = "server"
GLOBAL: Final = "global"
LEVELS: Final = (ACCOUNT, COS, DOMAIN, SERVER, GLOBAL)

_KINDS: Final = {ACCOUNT: kinds.ACCOUNT, COS: kinds.COS, DOMAIN: kinds.DOMAIN}
_NAME: Final = re.compile("[A-Za-z][A-Za-z0-9_-]*")
_WHOLE: Final = re.compile("-?[0-9]{1,18}")


class Setting(NamedTuple):
    """An attribute of the node."""

    field: str
    """Of Settings."""
    help: str


SETTINGS: Final[Mapping[str, Setting]] = {
    "ZxBackup_DestPath": Setting("backup_path", "the Backup Path"),
    "ZxBackup_RealTimeScanner": Setting("realtime_scanner", "whether changes are recorded as they happen"),
    "ZxBackup_DataRetentionDays": Setting("data_retention_days", "for how long the past of items is kept; 0 for ever"),
    "backupAccountsRetentionDays": Setting(
        "account_retention_days", "for how long deleted accounts are kept; 0 for ever"
    ),
    "carbonioNotificationRecipients": Setting("administrator", "who notifications go to"),
    "carbonioNotificationFrom": Setting("smtp_sender", "who notifications come from"),
}
"""The attributes of the node, by the vendor's names."""


def get(node: Node, level: str, name: str, attribute: str) -> dict[str, Any]:
    """Return an attribute with its value, whether that is inherited, and the modules that it belongs to.

    :param level: one of LEVELS. :param name: of the account, class of service, domain or server; ignored for global.
    :raises NotFound: there is no such entry, or it has no such attribute.
    """
    found = _values(node, level, name)
    if attribute not in found:
        raise NotFound(f"The {level} {name} has no value of {attribute}; config dump shows what it has.")
    value = found[attribute]
    return {
        "attribute": attribute, "value": _plain(value.values), "isInherited": value.inherited,
        "modules": ["ZxBackup"] if attribute in SETTINGS or attribute == BACKUP_ENABLED else [],
    }


def change(
    node: Node, level: str, name: str, attribute: str, values: Sequence[str], *, dry_run: bool = False
) -> dict[str, Any]:
    """Give an attribute a value of its own, or none: then what it inherits shows again.

    :param values: what it is set to; empty to unset it.
    :return: "changed", the values as "values", and "diff".
    :raises InvalidInput: the value cannot be that of this attribute, or nothing can be set at this level.
    """
    if level == GLOBAL:
        raise InvalidInput("There is nothing to set at the global level: a node has settings of its own. Use server.")
    if not _NAME.fullmatch(attribute):
        raise InvalidInput(f"{attribute!r} cannot be an attribute's name: letters and digits only.")
    if attribute == BACKUP_ENABLED and not {value.upper() for value in values} <= {"TRUE", "FALSE"}:
        raise InvalidInput(f"{attribute} cannot be {', '.join(values)!r}; give TRUE or FALSE.")
    if attribute in SECRETS:
        raise InvalidInput(f"{attribute} is a secret and no matter for a log; set it with the mail server's own tools.")
    if level == SERVER:
        return _change_setting(node, name, attribute, values, dry_run)
    with contextlib.closing(node.store()) as store:
        entry = _entry(store, level, name)
        before = tuple(entry.attrs.get(attribute, ()))
        after = tuple(values)
        if after != before and not dry_run:
            store.update_entry(Entry(entry.entry_id, entry.kind, entry.name, {attribute: after}))
    return _changed(attribute, before, after)


def dump(
    node: Node, level: str, name: str = "", *, show_inherited: bool = True, backup_path: str = ""
) -> dict[str, Any]:
    """Return all attributes of an entry, so that two of them can be compared (R-012).

    :param backup_path: dump the entry as this backup last knew it; empty for the live one.
    """
    found = _values(node, level, name, backup_path)
    return {
        attribute: _plain(value.values) for attribute, value in found.items() if show_inherited or not value.inherited
    }


def describe(attribute: str) -> dict[str, Any]:
    """Return what an attribute of the node is. :raises NotFound: there is no such one."""
    if attribute not in SETTINGS:
        raise NotFound(f"There is no attribute {attribute} of the node; there are {', '.join(SETTINGS)}.")
    setting = SETTINGS[attribute]
    default = getattr(Settings(), setting.field)
    return {
        "attribute": attribute, "description": setting.help, "default": _text(default), "type": type(default).__name__,
        "levels": [SERVER], "setting": setting.field,
    }


def _values(node: Node, level: str, name: str, backup_path: str = "") -> Mapping[str, Value]:
    if level == GLOBAL:
        return _of_settings(Settings())
    if level == SERVER:
        if backup_path:
            raise InvalidInput("A backup does not hold the settings of its node; dump those of a node that is there.")
        _check_server(node, name)
        return _of_settings(node.settings)
    if backup_path:
        with contextlib.closing(node.repository(backup_path)) as repository:
            entries = {
                kind: [found.state for found in repository.entries(kind) if isinstance(found.state, Entry)]
                for kind in _KINDS.values()
            }
            entry = _known(repository, level, name)
    else:
        with contextlib.closing(node.store()) as store:
            entry = _entry(store, level, name)
            entries = {kind: list(store.entries(kind)) for kind in (kinds.COS, kinds.DOMAIN)}
    above = Switch(entries[kinds.COS], entries[kinds.DOMAIN]).cos_of(entry) if level == ACCOUNT else ""
    return effective(entry, next((cos for cos in entries[kinds.COS] if cos.entry_id == above), None))


def _known(source: Repository, level: str, name: str) -> Entry:
    """Return an entry as a backup last knew it, also one that was deleted."""
    if level == ACCOUNT:
        return find_account(source, name).entry
    found = [
        (source.entry(one.scope, one.item_id) is not None, one.at, one.state)
        for one in source.entries(_KINDS[level], deleted=True)
        if isinstance(one.state, Entry) and name.lower() in (one.state.entry_id.lower(), one.state.name.lower())
    ]
    if not found:
        raise NotFound(f"The backup in {source.path} has no {level} {name!r}; check the name.")
    return max(found, key=lambda one: one[:2])[2]


def _entry(store: MailStore, level: str, name: str) -> Entry:
    entry = store.find_entry(_KINDS[level], name)
    if entry is None:
        raise NotFound(f"The mail server has no {level} {name!r}; check the name.")
    return entry


# -- the settings of the node --------------------------------------------------------------------------------------


def _of_settings(own: Settings) -> Mapping[str, Value]:
    default = Settings()
    found = {}
    for attribute, setting in SETTINGS.items():
        value = getattr(own, setting.field)
        found[attribute] = Value((_text(value),), value == getattr(default, setting.field))
    return found


def _change_setting(node: Node, name: str, attribute: str, values: Sequence[str], dry_run: bool) -> dict[str, Any]:
    _check_server(node, name)
    field = describe(attribute)["setting"]
    before = getattr(node.settings, field)
    after = getattr(Settings(), field)
    if values:
        after = _value(attribute, type(after), ",".join(values))
    changed = dataclasses.replace(node.settings, **{field: after})
    settings_file.check(changed)
    if after != before and not dry_run:
        settings_file.save(node.config_file, changed)
        node.settings = changed
    return _changed(attribute, (_text(before),), (_text(after),))


def _value(attribute: str, type_: type, text: str) -> Any:
    """Return a setting of a text. :raises InvalidInput: it is none."""
    try:
        if type_ is bool:
            return {"true": True, "false": False}[text.lower()]
        if type_ is int and not _WHOLE.fullmatch(text):
            raise ValueError(text)
        return type_(text)
    except (ValueError, KeyError) as error:
        wanted = "TRUE or FALSE" if type_ is bool else "a whole number"
        raise InvalidInput(f"{attribute} cannot be {text!r}; give {wanted}.") from error


def _text(value: Any) -> str:
    return str(value).upper() if isinstance(value, bool) else str(value)


def _check_server(node: Node, name: str) -> None:
    """Refuse the name of another server than this one."""
    if name.lower() not in ("", "localhost", platform.node().lower()):
        with contextlib.closing(node.store()) as store:
            if name != store.server_id():
                raise InvalidInput(f"{name!r} is not this node, whose settings are here; do this on {name}.")


def _changed(attribute: str, before: tuple[str, ...], after: tuple[str, ...]) -> dict[str, Any]:
    diff = {
        when: {attribute: _plain(values)} if values else {} for when, values in (("before", before), ("after", after))
    }
    return {"changed": before != after, "values": diff["after"], "diff": diff}


def _plain(values: Sequence[str]) -> Any:
    """Return one value as it is, several as a list."""
    return values[0] if len(values) == 1 else list(values)


# -- modules -------------------------------------------------------------------------------------------------------


def answer(call: Call) -> dict[str, Any]:
    """Answer the module config. :raises InvalidInput: it is not said what to set."""
    values = call["value"] or []
    if bool(values) != (call["state"] == "present"):
        raise InvalidInput("state=present needs a value, and state=absent takes none.")
    return change(
        call.node(), call["level"], call["name"] or "", call["attribute"], values, dry_run=call.check_mode
    )


def read(call: Call) -> dict[str, Any]:
    """Answer the module config_info."""
    return {"attributes": dump(
        call.node(), call["level"], call["name"] or "", show_inherited=call["show_inherited"],
        backup_path=call["backup_path"] or "",
    )}
