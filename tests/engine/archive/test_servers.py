# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests need of their own S3 server: as with S3, of several writers of one new object one wins."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings
from moto.s3.models import S3Backend

WRITERS = 4


@pytest.fixture
def slow_to_look(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave each writer time to come between another's question and its storing."""
    look = S3Backend.get_object

    def slow(*arguments: Any, **keywords: Any) -> Any:
        found = look(*arguments, **keywords)
        time.sleep(0.05)
        return found

    monkeypatch.setattr(S3Backend, "get_object", slow)
    yield


@pytest.mark.usefixtures("slow_to_look")
def test_one_of_several_writers_of_a_new_object_wins(moto_bucket: S3Settings) -> None:
    archive = S3Archive(moto_bucket)
    with ThreadPoolExecutor(WRITERS) as pool:
        won = list(pool.map(lambda number: archive.put_new("object", bytes([number])), range(WRITERS)))
    assert won.count(True) == 1
    assert archive.get("object") == bytes([won.index(True)])
