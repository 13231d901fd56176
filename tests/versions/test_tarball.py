# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is published: all that a user of the collection needs, and nothing else."""

from __future__ import annotations

import json
import posixpath
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.versions.matrix import CHECKOUT
from tests.versions.publishing import LEFT_BEHIND

OF_A_USER = {"docs", "meta", "playbooks", "plugins", "roles", "changelogs"}
BESIDE = {
    "README.md", "LICENSE", "CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "bindep.txt", "requirements.txt",
}
OF_GALAXY = {"MANIFEST.json", "FILES.json"}
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


@pytest.fixture(scope="module")
def published(tarball: Path) -> Mapping[str, bytes]:
    """The content of each published file."""
    with tarfile.open(tarball) as archive:
        contents = {member.name: archive.extractfile(member) for member in archive.getmembers()}
        return {name: content.read() for name, content in contents.items() if content is not None}


def test_all_that_a_user_needs_is_there_and_nothing_else(published: Mapping[str, bytes]) -> None:
    assert {name.partition("/")[0] for name in published} == OF_A_USER | BESIDE | OF_GALAXY
    for folder in OF_A_USER:
        there = {
            str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
        }
        assert there == {name for name in published if name.startswith(f"{folder}/")}
    assert not published.keys() & set(LEFT_BEHIND)
    ours = published.keys() - OF_GALAXY
    assert all((CHECKOUT / name).read_bytes() == published[name] for name in ours)


def test_it_says_what_it_is(published: Mapping[str, bytes]) -> None:
    info = json.loads(published["MANIFEST.json"])["collection_info"]
    described = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))
    assert (info["namespace"], info["name"], info["version"]) == ("restante", "carbonio", described["version"])
    assert info["license"] == ["GPL-3.0-or-later"] and b"GNU GENERAL PUBLIC LICENSE" in published["LICENSE"]


def test_every_page_leads_to_pages_that_are_published_too(published: Mapping[str, bytes]) -> None:
    folders = {posixpath.dirname(name) for name in published}
    pages = [name for name in published if name.endswith(".md") and not name.startswith("CHANGELOG")]
    astray = [
        f"{page}: {link}" for page in pages for link in LINK.findall(published[page].decode())
        if "://" not in link
        and posixpath.normpath(posixpath.join(posixpath.dirname(page), link)) not in published.keys() | folders
    ]
    assert len(pages) > 50 and not astray
