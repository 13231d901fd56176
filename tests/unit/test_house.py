# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The house of docs/architecture.md, held up by a test: imports run from the top to the bottom."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.restante.carbonio.plugins.module_utils.model.version import VERSION

MODULE_UTILS = Path(__file__).resolve().parents[2] / "plugins" / "module_utils"
PACKAGE = "ansible_collections.restante.carbonio.plugins.module_utils"

FLOOR = {
    "model": 1,
    "backup": 2, "archive": 2, "mailstore": 2, "ledger": 2,
    "operations": 3, "evidence": 3,
    "scan": 4, "restore": 4, "exchange": 4, "care": 4, "standby": 4, "vendor": 4, "drill": 4,
    "runtime": 5,
    "cli": 6,
}
SEPARATE = {"backup", "archive", "mailstore", "ledger"}
OF_FLOOR_2 = {"sqlite3", "boto3", "botocore", "imapclient", "ldap"}

SOURCES = sorted(MODULE_UTILS.rglob("*.py"))


def imported_rooms(source: Path) -> set[str]:
    """Return the rooms of the house that a source file imports from."""
    package = list(source.relative_to(MODULE_UTILS).parent.parts)
    rooms = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - node.level + 1] + (node.module or "").split(".")
            elif (node.module or "").startswith(PACKAGE):
                base = (node.module or "")[len(PACKAGE) + 1:].split(".")
            else:
                continue
            base = [part for part in base if part]
            rooms.update([base[0]] if base else [alias.name for alias in node.names])
    return rooms


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(MODULE_UTILS)))
def test_a_room_imports_only_from_below(source: Path) -> None:
    room = source.relative_to(MODULE_UTILS).parts[0].replace(".py", "")
    for other in imported_rooms(source) - {room}:
        assert FLOOR[other] <= FLOOR[room], f"{source.name} of {room} imports {other}, which is above it"
        assert not {room, other} <= SEPARATE, f"{source.name} of {room} imports {other}, which is beside it"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(MODULE_UTILS)))
def test_databases_and_protocols_stay_on_their_floor(source: Path) -> None:
    room = source.relative_to(MODULE_UTILS).parts[0].replace(".py", "")
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        named = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else (
            [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        )
        used = OF_FLOOR_2.intersection(name.partition(".")[0] for name in named)
        assert not used or FLOOR[room] == 2, f"{source.name} of {room} imports {', '.join(used)}"


def test_the_check_sees_every_room() -> None:
    assert {path.relative_to(MODULE_UTILS).parts[0].replace(".py", "") for path in SOURCES} <= set(FLOOR)


@pytest.mark.parametrize("module", ["backup_info", "config", "realtime_scanner", "smartscan"])
def test_libraries_are_loaded_where_they_are_needed(module: str) -> None:
    """Every task of a playbook starts a process of its own: those of a local node need no boto3 and no IMAPClient."""
    check = (
        f"import sys, ansible_collections.restante.carbonio.plugins.modules.{module}\n"
        "print(*{'botocore', 'imapclient', 'ldap'}.intersection(sys.modules))"
    )
    environment = {"PYTHONPATH": str(MODULE_UTILS.parents[1] / "build" / "collections")}
    done = subprocess.run([sys.executable, "-c", check], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_engine_knows_the_version_of_the_collection() -> None:
    galaxy = yaml.safe_load((MODULE_UTILS.parents[1] / "galaxy.yml").read_text(encoding="utf-8"))
    assert galaxy["version"] == VERSION
