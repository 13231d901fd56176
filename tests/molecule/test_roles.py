# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every role through its molecule scenario: converge, idempotence, verify."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader

from tests.playbooks import playbook_kit
from tests.servers.endpoint import Endpoint
from tests.servers.moto_server import moto_server

CHECKOUT = Path(__file__).resolve().parents[2]
SCENARIOS = CHECKOUT / "extensions" / "molecule"
ROLES = sorted(path.name for path in (CHECKOUT / "roles").iterdir() if path.is_dir())
REGION = "us-east-1"
TOOLS = Path(sys.executable).parent


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with moto_server() as server:
        yield server


def lose_a_node(path: Path, endpoint: Endpoint, bucket: str) -> None:
    """Leave what remains of a small mail node: its Backup Path, and the same in a bucket."""
    keys = {"aws_access_key_id": endpoint.access_key, "aws_secret_access_key": endpoint.secret_key}
    s3: Any = boto3.client("s3", endpoint_url=endpoint.url, region_name=REGION, **keys)
    s3.create_bucket(Bucket=bucket)
    with contextlib.closing(EmbeddedStore.create(str(path / "store"))) as store:
        sample.fill(store, messages=40)
        with contextlib.closing(Repository.create(str(path / "backup"), store.server_id())) as repository:
            with repository.writer() as writer:
                smart_scan(store, writer)
            repository.refresh()
            settings = S3Settings(
                bucket, prefix=store.server_id(), region=REGION, endpoint=endpoint.url,
                access_key=endpoint.access_key, secret_key=endpoint.secret_key,
            )
            Uploader(repository, S3Archive(settings)).sync()


def test_every_role_has_a_scenario() -> None:
    assert ROLES == sorted(path.parent.name for path in SCENARIOS.glob("*/molecule.yml"))


@pytest.mark.parametrize("role", ROLES)
def test_a_role_converges_once_and_then_changes_nothing(role: str, endpoint: Endpoint, tmp_path: Path) -> None:
    bucket = f"molecule-{role.replace('_', '-')}"
    lose_a_node(tmp_path / "lost", endpoint, bucket)
    done = subprocess.run(
        [str(TOOLS / "molecule"), "--base-config", str(SCENARIOS / "base.yml"), "test", "-s", role],
        cwd=SCENARIOS.parent,
        env={
            **os.environ,
            **playbook_kit.callbacks(),
            "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / "build" / "collections"),
            "ANSIBLE_HOME": str(tmp_path / "ansible"),
            "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path / "molecule"),
            "MOLECULE_NODE": str(tmp_path),
            "MOLECULE_S3_URL": endpoint.url,
            "MOLECULE_S3_ACCESS_KEY": endpoint.access_key,
            "MOLECULE_S3_SECRET": endpoint.secret_key,
            "MOLECULE_S3_BUCKET": bucket,
            "LC_ALL": "C.UTF-8",
        },
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )
    assert done.returncode == 0, done.stdout
