# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of the engine once more, with every backup encrypted (tests/encrypted.py).

Left out are those that read the JSON of commits, compare bytes or names of packs (test_damage, test_rescue, parts of
test_purge), count operations or requests, which differ with the keyring and with random names (test_crashes,
test_upload, test_killed), or start a process that has no key; the tests beside this one stand for them.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import CHECKOUT

CHOSEN = (
    "backup/test_writer.py", "care/test_purge.py", "archive/test_blobs.py", "restore/test_external_restore.py",
    "scan/test_smartscan.py", "scan/test_realtime.py", "realtime/test_node_killed.py",
)
LEFT_OUT = "rescue or ends_anywhere or comes_again"


@pytest.mark.skipif(bool(os.environ.get("RESTANTE_TEST_ENCRYPTED")), reason="this is the run with encryption")
def test_the_engine_does_with_encrypted_backups_what_it_does_with_plain_ones() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k",
         f"not ({LEFT_OUT})", *(f"tests/engine/{name}" for name in CHOSEN)],
        cwd=CHECKOUT, env={**os.environ, "RESTANTE_TEST_ENCRYPTED": "1"}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout and " failed" not in done.stdout
