# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection as it is published, an object store, and some mail."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore

from tests.servers.endpoint import Endpoint
from tests.servers.moto_server import moto_server
from tests.versions import publishing


@pytest.fixture(scope="session")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection, built as it would be for Ansible Galaxy."""
    return publishing.build(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="session")
def endpoint() -> Iterator[Endpoint]:
    """An S3 server."""
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def mail(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, int]]:
    """A mail store, and what it holds by kind."""
    place = tmp_path_factory.mktemp("mail") / "mailstore"
    with contextlib.closing(EmbeddedStore.create(str(place))) as store:
        return place, sample.fill(store, messages=20)
