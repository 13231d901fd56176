# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is published: the file that Galaxy gets, and an execution environment with it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_builder._target_scripts import introspect
from playbook_kit import CHECKOUT

from tests.servers import openldap
from tests.servers.needed import needed
from tools import debian

TOOLS = Path(sys.executable).parent
COLLECTION = "restante.carbonio"
DEFINITION = CHECKOUT / "docs" / "execution-environment.yml"
CERTIFIED = {"GALAXY_IMPORTER_REQUIRE_V1_OR_GREATER": "true", "GALAXY_IMPORTER_CHECK_REQUIRED_TAGS": "true"}
"""What the importer asks of collections that are certified, besides what it asks of all."""
CHECKED_ELSEWHERE = {"GALAXY_IMPORTER_RUN_ANSIBLE_LINT": "false", "GALAXY_IMPORTER_RUN_ANSIBLE_DOC": "false"}


def run(command: list[str], directory: Path, **variables: str) -> str:
    """Return what a program says, which is to end well."""
    done = subprocess.run(
        command, cwd=directory, env={**os.environ, "ANSIBLE_HOME": str(directory / "ansible"), **variables},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that Galaxy gets."""
    place = tmp_path_factory.mktemp("published")
    run([str(TOOLS / "ansible-galaxy"), "collection", "build", "--output-path", str(place), str(CHECKOUT)], place)
    return next(place.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def collections(published: Path) -> Path:
    """Where the collection has been installed from that file."""
    place = published.parent / "collections"
    install = ["collection", "install", "--offline", "--collections-path", str(place), str(published)]
    run([str(TOOLS / "ansible-galaxy"), *install], published.parent, ANSIBLE_COLLECTIONS_PATH=str(place))
    return place


@pytest.fixture(scope="module")
def environment(collections: Path) -> Mapping[str, Any]:
    """What ansible-builder finds that an execution environment with the collection needs."""
    found = introspect.process(data_dir=str(collections))
    return {kind: found[kind][COLLECTION] for kind in ("python", "system")}


def test_galaxy_takes_it_as_a_certified_collection(published: Path) -> None:
    importer = [sys.executable, "-m", "galaxy_importer.main", str(published)]
    said = run(importer, published.parent, **CERTIFIED, **CHECKED_ELSEWHERE)
    assert "Importer processing completed successfully" in said
    assert not [line for line in said.splitlines() if "WARNING" in line or "ERROR" in line], said


def test_an_execution_environment_can_be_prepared(tmp_path: Path) -> None:
    """No container engine is needed up to here; what is left is to run the commands of this file in one."""
    create = ["create", "--file", str(DEFINITION), "--context", str(tmp_path / "context")]
    run([str(TOOLS / "ansible-builder"), *create, "--output-filename", "Containerfile"], tmp_path)
    steps = (tmp_path / "context" / "Containerfile").read_text("utf-8")
    assert "introspect.py introspect" in steps and "install-from-bindep" in steps
    asked = yaml.safe_load((tmp_path / "context" / "_build" / "requirements.yml").read_text("utf-8"))
    assert [one["name"] for one in asked["collections"]] == [COLLECTION]


def test_the_packages_of_the_system_are_named_as_bindep_reads_them(
    environment: Mapping[str, Any], tmp_path: Path
) -> None:
    """It chooses those of the system that it runs on."""
    (tmp_path / "bindep.txt").write_text("\n".join(environment["system"]) + "\n", "utf-8")
    listed = run([str(TOOLS / "bindep"), "--list_all", "newline", "--file", "bindep.txt", "compile"], tmp_path).split()
    assert "gcc" in listed and ("libldap-dev" in listed) != ("openldap-devel" in listed)


def test_the_smoke_playbook_passes_where_there_is_what_the_environment_names_and_nothing_else(
    collections: Path, environment: Mapping[str, Any], tmp_path: Path
) -> None:
    needed("python-ldap", debian.missing(openldap.LIBRARY_PACKAGES))
    definition = yaml.safe_load(DEFINITION.read_text("utf-8"))["dependencies"]
    wanted = [definition[name]["package_pip"] for name in ("ansible_core", "ansible_runner")]
    fresh = tmp_path / "environment"
    run([sys.executable, "-m", "venv", "--without-pip", str(fresh)], tmp_path)
    python = str(fresh / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-compile"]
    run([*pip, "--disable-pip-version-check", *wanted, *environment["python"]], tmp_path)
    # Progress is the subject of test_progress.py; the playbook is faster without.
    playbook = [str(fresh / "bin" / "ansible-playbook"), f"{COLLECTION}.smoke", "-e", "restante_progress_seconds=0"]
    said = run(playbook, tmp_path, ANSIBLE_COLLECTIONS_PATH=str(collections), PYTHONPATH="", TMPDIR=str(tmp_path))
    assert re.search(r"Everything that is needed is here; \d+ items came back", said), said
    assert list(tmp_path.glob("restante-smoke-*")) == []
