# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An S3 server, and a mail node that was backed up to it and lost."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader
from recovery_kit import BUCKET, NodeA, make_bucket

from tests.servers.endpoint import Endpoint
from tests.servers.moto_server import moto_server


@pytest.fixture(scope="session")
def endpoint() -> Iterator[Endpoint]:
    """An S3 server."""
    with moto_server() as server:
        yield server


@pytest.fixture(scope="module")
def node_a(endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> NodeA:
    """A node of a small sample mailbox that was backed up to a bucket of its own."""
    root = tmp_path_factory.mktemp("a")
    with contextlib.closing(EmbeddedStore.create(str(root / "store"))) as store:
        held = sample.fill(store, messages=80)
        server_id = store.server_id()
        with contextlib.closing(Repository.create(str(root / "backup"), server_id)) as repository:
            with repository.writer() as writer:
                smart_scan(store, writer)
            repository.refresh()
            make_bucket(endpoint, BUCKET)
            settings = S3Settings(
                BUCKET, prefix=server_id, region="us-east-1", endpoint=endpoint.url,
                access_key=endpoint.access_key, secret_key=endpoint.secret_key,
            )
            Uploader(repository, S3Archive(settings)).sync()
    return NodeA(server_id, root / "backup", endpoint, held)
