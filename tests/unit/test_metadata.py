# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection says of itself in its own files agrees with what it has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
MODULES = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}
PLUGIN = "restante.carbonio.operation"
BASIC = ROOT / "requirements.txt"


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_defaults_for_the_group_reach_every_module() -> None:
    assert read("meta/runtime.yml")["action_groups"] == {"all": sorted(MODULES)}


def test_modules_whose_documentation_names_the_action_plugin_have_it() -> None:
    fragment = "  - restante.carbonio.attributes.operation\n"
    documented = {
        name for name in MODULES
        if fragment in (ROOT / "plugins" / "modules" / f"{name}.py").read_text(encoding="utf-8")
    }
    routed = read("meta/runtime.yml")["plugin_routing"]["modules"]
    assert {name for name, route in routed.items() if route == {"action_plugin": PLUGIN}} == documented


def test_every_module_was_added_by_a_version_of_the_changelog_or_comes_with_the_next() -> None:
    released = read("changelogs/changelog.yaml")["releases"]
    listed = {
        module["name"]: version for version, release in released.items() for module in release.get("modules", [])
    }
    for name in MODULES:
        text = (ROOT / "plugins" / "modules" / f"{name}.py").read_text(encoding="utf-8")
        added = re.search(r"^version_added: (\S+)$", text, re.MULTILINE)
        assert added, f"{name} says not by which version it was added"
        if name in listed:
            assert added[1] == listed[name], name
        else:
            assert added[1] not in released, f"{name} comes with the version after {added[1]}, which is out"


def test_the_readme_names_every_playbook() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for playbook in (ROOT / "playbooks").glob("*.yml"):
        assert f"`{playbook.stem}`" in readme or f"restante.carbonio.{playbook.stem}" in readme, playbook.name


def test_the_readme_begins_with_the_commands_and_has_the_sections_of_a_certified_collection() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    begin = readme.partition("## ")[0]
    assert begin.index("    make drill") < begin.index("    make test") < begin.index("](docs/images/drill-report.png)")
    assert re.findall(r"^## (.+)$", readme, re.MULTILINE) == [
        "Description", "Requirements", "Installation", "Use Cases", "Testing", "Contributing", "Support",
        "Release Notes and Roadmap", "Related Information", "License Information",
    ]


def test_what_pages_outside_the_site_link_to_is_there() -> None:
    """Those of the site are held by tools/docsite.py."""
    for page in ("README.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "docs/README.md"):
        for target in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text(encoding="utf-8")):
            path, _hash, anchor = target.partition("#")
            if ":" in path:
                continue
            linked = (ROOT / page).parent / path
            assert linked.exists(), f"{page} links to {target}"
            if anchor:
                headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
                slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
                assert anchor in slugs, f"{page} links to {target}"


def test_the_picture_is_small_and_is_one() -> None:
    picture = (ROOT / "docs" / "images" / "drill-report.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n") and len(picture) < 200_000


def test_an_execution_environment_has_at_least_what_a_node_has() -> None:
    names = read("meta/execution-environment.yml")["dependencies"]
    assert all((ROOT / name).is_file() for name in names.values())
    asked = (ROOT / names["python"]).read_text(encoding="utf-8").splitlines()
    assert "-r ../requirements.txt" in asked
    optional = re.findall(r"^# ([\w-]+>=\S+)$", BASIC.read_text(encoding="utf-8"), re.MULTILINE)
    assert optional and set(optional) <= set(asked), "requirements.txt names others as optional"
