# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A transaction of the mail store whose COMMIT fails may come to life again; what its rows name must be there then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, COLLECTIONS

pytestmark = pytest.mark.usefixtures("file_layer")

SCRIPT = """
import contextlib, errno, itertools, shutil, sys
from pathlib import Path
from tests.torture import layer
layer.begin()
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from tests.engine.restore.restore_kit import mail

start, root = Path(sys.argv[1]) / "start", Path(sys.argv[1]) / "root"
with contextlib.closing(EmbeddedStore.create(str(start))) as store:
    store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
    store.create_entry(Entry("a", kinds.ACCOUNT, "anna@example.com"))
    mail(store, "a", "2", 1)

def work():
    mail(EmbeddedStore.open(str(root)), "a", "2", 2)  # and the process ends with the store open

def after(fault):
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(start, root)
    return layer.perform(work, root, fault)

refused = come_back = 0
operations = after(layer.NO_FAULT).operations
for at, failing in itertools.product(range(1, operations + 1), ((layer.SYNC, layer.SYNCFS), ())):
    outcome = after(layer.Fault(at, layer.FAIL_ON, errno.EIO, failing))
    assert not outcome.broken, outcome.broken
    with contextlib.closing(EmbeddedStore.open(str(root))) as store:
        found = [one.item_id for one in store.changes("a").items if one.kind == kinds.MESSAGE]
        for item_id in found:
            store.read_blob("a", item_id)
        mail(store, "a", "2", 3)
        blobs = sum(1 for path in root.rglob("*.msg"))
        assert blobs == len(found) + 1, (at, blobs, found)
    refused += bool(outcome.refused)
    come_back += bool(outcome.refused) and len(found) == 2
print(refused, come_back)
"""


def test_a_mail_whose_commit_has_failed_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], cwd=CHECKOUT, text=True, check=False,
        env={**os.environ, "PYTHONPATH": f"{COLLECTIONS}:{CHECKOUT}"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    refused, come_back = map(int, done.stdout.split())
    assert refused > 3
    assert come_back, "No failed transaction has come to life again: the test shows nothing."
