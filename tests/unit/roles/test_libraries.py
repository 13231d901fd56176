# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role service installs into the virtual environment of the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import LDAP, LIST, ImapSettings
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import IMAP, Settings

ROLE = Path(__file__).resolve().parents[3] / "roles" / "service"
ALWAYS = ["boto3>=1.26", "zstandard>=0.19"]


def read(path: str) -> Any:
    return yaml.safe_load((ROLE / path).read_text(encoding="utf-8"))


def installed(settings: Settings) -> list[str]:
    """Return what is installed for settings, as the module backup_config gives them."""
    expression = read("vars/main.yml")["service_needed_libraries"].strip().removeprefix("{{").removesuffix("}}")
    given = {**read("defaults/main.yml"), "service_settings": {"settings": settings.public()}}
    found: list[str] = jinja2.Environment().compile_expression(expression)(given)
    return found


@pytest.mark.parametrize(("settings", "more"), [
    (Settings(), []),
    (Settings(mailstore_adapter=IMAP, imap=ImapSettings(directory=LIST)), ["imapclient>=2.3"]),
    (Settings(mailstore_adapter=IMAP, imap=ImapSettings(directory=LDAP)), ["imapclient>=2.3", "python-ldap>=3.4"]),
    (Settings(encryption_key_command="get-key"), ["cryptography"]),
], ids=["embedded", "list", "ldap", "encrypted"])
def test_what_the_settings_need_is_installed(settings: Settings, more: list[str]) -> None:
    assert installed(settings) == [*ALWAYS, *more]


def test_it_is_what_the_role_installs() -> None:
    [environment] = [task for task in read("tasks/present.yml") if task["name"] == "Make the virtual environment"]
    assert environment["ansible.builtin.pip"]["name"] == "{{ service_needed_libraries }}"
