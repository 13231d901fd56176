# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attributes, and the Realtime Scanner, which is one of them, by the vendor's commands (reference, section 3.6)."""

from __future__ import annotations

import platform
from typing import Any, Final

from ...model.configuration import SECRETS
from ...model.errors import InvalidInput, NotFound
from ...vendor import fields, forms
from ..call import Call
from .work import Place, opened

REALTIME_SCANNER: Final = "ZxBackup_RealTimeScanner"


def config(call: Call) -> dict[str, Any]:
    """Answer the module config. :raises InvalidInput: it is not said what to set, or carbonio takes no such value."""
    values = call["value"] or []
    if bool(values) != (call["state"] == "present"):
        raise InvalidInput("state=present needs a value, and state=absent takes none.")
    if call["attribute"] in SECRETS:
        raise InvalidInput(f"{call['attribute']} is a secret, and a process list would show it; set it by hand.")
    if len(values) > 1:
        raise InvalidInput("carbonio config set gives an attribute one value; set several with the server's own tools.")
    return change(
        opened(call), call["level"], call["name"] or "", call["attribute"], values[0] if values else "", call.check_mode
    )


def change(place: Place, level: str, name: str, attribute: str, value: str, dry_run: bool) -> dict[str, Any]:
    """Give an attribute a value of its own, or none where it is empty; as the module returns it."""
    name = name or _host(level)
    found = _own(place, level, name, attribute)
    changed = found.lower() != value.lower() if {found.lower(), value.lower()} <= {"true", "false"} else found != value
    if changed and not dry_run:
        form = forms.attribute("set" if value else "unset", level)
        place.carbonio.tell(form, name=name, attribute=attribute, value=value)
    before, after = ({attribute: one} if one else {} for one in (found, value))
    return {"changed": changed, "values": after, "diff": {"before": before, "after": after}}


def _own(place: Place, level: str, name: str, attribute: str) -> str:
    """Return the value that an attribute has of its own, empty where it has none."""
    found = value_of(place, level, name, attribute)
    return "" if found is None or found[1] else found[0]


def value_of(place: Place, level: str, name: str, attribute: str) -> tuple[str, bool] | None:
    """Return the value of an attribute, and whether it is inherited; None where it has none."""
    command = forms.attribute("get", level).fill({"name": name or _host(level), "attribute": attribute})
    try:
        return fields.attribute(place.carbonio.ask(command), attribute)
    except NotFound as error:
        if attribute in str(error).partition("saying:")[2]:  # it is the attribute that is not there, and not the entry
            return None
        raise


def _host(level: str) -> str:
    if level == "server":
        return platform.node()
    return ""


def info(call: Call) -> dict[str, Any]:
    """Answer the module config_info. :raises InvalidInput: attributes of a backup are asked for."""
    if call["backup_path"]:
        raise InvalidInput(
            "carbonio config dump shows the attributes that are, not those of a backup; account_info shows what a "
            "backup has of an account."
        )
    form = forms.dump(call["level"])
    name = call["name"] or _host(call["level"])
    found = opened(call).carbonio.tell(form, name=name, show_inherited=call["show_inherited"])
    return {"attributes": fields.attributes(found)}


def realtime_scanner(call: Call) -> dict[str, Any]:
    """Answer the module realtime_scanner: the vendor's runs within the mail server, and is switched on or off."""
    place = opened(call)
    wanted = call["state"] == "started" if call["enabled"] is None else call["enabled"]
    present = records_in_real_time(place)
    if present != wanted and not call.check_mode:
        switch_realtime_scanner(place, wanted)
    return {
        "changed": present != wanted, "status": _status(wanted),
        "diff": {"before": {"enabled": present}, "after": {"enabled": wanted}},
    }


def switch_realtime_scanner(place: Place, wanted: bool) -> None:
    """Switch the Realtime Scanner on or off (R-222)."""
    form = forms.attribute("set", "server")
    place.carbonio.tell(form, name=_host("server"), attribute=REALTIME_SCANNER, value=str(wanted).upper())


def records_in_real_time(place: Place) -> bool:
    """Return whether the Realtime Scanner is on, as it is unless it was switched off."""
    found = value_of(place, "server", "", REALTIME_SCANNER)
    return found is None or found[0].lower() == "true"


def realtime_scanner_info(call: Call) -> dict[str, Any]:
    """Answer the module realtime_scanner_info."""
    return {"status": _status(records_in_real_time(opened(call)))}


def _status(enabled: bool) -> dict[str, Any]:
    return {"enabled": enabled, "running": enabled, "state": "following" if enabled else "off"}
