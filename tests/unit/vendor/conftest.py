# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node whose engine is the vendor's, and its modules against a carbonio that answers what was recorded."""

from __future__ import annotations

import importlib
import json
import platform
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.carbonio import work
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.carbonio.table import ANSWERS
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import CARBONIO, Settings
from ansible_collections.restante.carbonio.plugins.module_utils.vendor.following import Carbonio
from scripted import SERVER, Modules, Script, Scripted

MODULES = "ansible_collections.restante.carbonio.plugins.modules"


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node of the vendor's."""
    monkeypatch.setattr(platform, "node", lambda: SERVER)
    config_file = str(tmp_path / "etc" / "restante.json")
    settings_file.save(config_file, Settings(engine=CARBONIO, state_path=str(tmp_path / "state"), time_zone="UTC"))
    return Node.load(config_file)


@pytest.fixture
def module(node: Node, monkeypatch: pytest.MonkeyPatch) -> Modules:
    """Runs a module: returns its result and the commands that it has given."""
    def run(name: str, script: Script, check_mode: bool = False, /, **given: Any) -> tuple[dict[str, Any], list[str]]:
        carbonio = Scripted(script)
        monkeypatch.setattr(work, "command_of", lambda settings: Carbonio(carbonio))
        specification = getattr(importlib.import_module(f"{MODULES}.{name}"), "ARGUMENTS", {})
        defaults = {option: spec.get("default") for option, spec in specification.items()}
        assert set(given) <= set(defaults)
        result = ANSWERS[name](Call({**defaults, **given, "config_file": node.config_file}, check_mode))
        json.dumps(result)
        return dict(result), carbonio.commands

    return run
