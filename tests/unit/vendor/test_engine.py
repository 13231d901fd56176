# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which engine answers a module, in one place; and that each module's documentation says what it does there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput, Refused
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.carbonio.table import ANSWERS
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.engine import EITHER, chosen
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[3]
MODULES = sorted(path.stem for path in (CHECKOUT / "plugins" / "modules").glob("*.py") if path.stem != "__init__")


def documentation(name: str) -> Mapping[str, Any]:
    source = (CHECKOUT / "plugins" / "modules" / f"{name}.py").read_text("utf-8")
    found = re.search(r'^DOCUMENTATION = r"""\n(.*?)^"""', source, re.MULTILINE | re.DOTALL)
    assert found is not None
    read: Mapping[str, Any] = yaml.safe_load(found[1])
    return read


def own(call: Call) -> dict[str, Any]:
    return {"engine": "restante"}


def answering(config_file: str, module: str) -> Any:
    return chosen(module, Call({"config_file": config_file}), own)


@pytest.mark.parametrize("name", MODULES)
def test_the_documentation_of_a_module_says_whether_the_vendors_engine_has_it(name: str) -> None:
    told = documentation(name)["attributes"]["vendor_engine"]
    expected = {"N/A"} if name in EITHER else {"full", "partial"} if name in ANSWERS else {"none"}
    assert told["support"] in expected
    assert (told["support"] == "partial") <= bool(told.get("details"))


@pytest.mark.parametrize("name", MODULES)
def test_what_the_documentation_names_as_an_option_is_one(name: str) -> None:
    read = documentation(name)
    text = str(read["attributes"]["vendor_engine"].get("details", ""))
    named = set(re.findall(r"O\((\w+)", text))
    fragments = {"notifications", "fail_on_unrestored", "apply_hsm", "secret"}
    assert named <= set(read.get("options", {})) | fragments


def test_every_answer_is_that_of_a_module() -> None:
    assert set(ANSWERS) <= set(MODULES) and EITHER <= set(MODULES) and not EITHER & set(ANSWERS)


def test_the_page_has_every_module() -> None:
    page = (CHECKOUT / "docs" / "vendor-engine.md").read_text("utf-8")
    assert [name for name in ANSWERS if f"`{name}`" not in page] == []


@pytest.mark.parametrize("name", ["smartscan", "restante.carbonio.smartscan"])
def test_a_node_of_the_vendors_is_answered_by_its_command(node: Node, name: str) -> None:
    assert answering(node.config_file, name) is ANSWERS["smartscan"]


def test_a_node_of_ours_is_answered_by_our_engine(tmp_path: Path) -> None:
    config_file = str(tmp_path / "restante.json")
    assert answering(config_file, "smartscan") is own  # without settings too: our engine says so
    settings_file.save(config_file, Settings())
    assert answering(config_file, "smartscan") is own


@pytest.mark.parametrize("name", sorted(EITHER))
def test_settings_are_the_same_on_every_node(node: Node, name: str) -> None:
    assert answering(node.config_file, name) is own


@pytest.mark.parametrize("name", sorted(set(MODULES) - set(ANSWERS) - EITHER))
def test_what_the_vendor_has_not_is_refused_with_a_sentence(node: Node, name: str) -> None:
    with pytest.raises(Refused, match=f"The module {name} has no equivalent in the vendor's Carbonio Backup"):
        answering(node.config_file, f"restante.carbonio.{name}")


def test_our_command_line_leaves_a_node_of_the_vendors_alone(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["backup", "doSmartScan", "start"], ["backup", "getBackupInfo"]):
        assert main(["--config-file", node.config_file, *words]) == 1
        assert "Type carbonio with the same words." in capsys.readouterr().err


@pytest.mark.parametrize(("setting", "value", "words"), [
    ("engine", "zextras", "it may be restante, carbonio"),
    ("carbonio_command", "carbonio", "give an absolute path"),
    ("carbonio_timeout", 0, "at least 1 second"),
])
def test_a_setting_that_cannot_be_is_refused(setting: str, value: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        settings_file.from_json({setting: value}, "a file")
