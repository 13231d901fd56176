# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file by which a process is known."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Busy, InvalidInput, Refused
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.process import PidFile


@pytest.fixture
def file(tmp_path: Path) -> PidFile:
    return PidFile(str(tmp_path / "state" / "one.pid"))


def test_it_tells_of_the_process_that_holds_it_and_of_no_other(file: PidFile) -> None:
    assert file.pid() == 0
    with file.held():
        assert file.pid() == os.getpid()
        with pytest.raises(Busy, match=f"The process {os.getpid()} does this already"), file.held():
            pass
    assert file.pid() == 0 and file.wait(0, running=False)
    with file.held():
        assert file.pid() == os.getpid()


def test_a_process_that_is_no_more_does_not_hold_it(file: PidFile) -> None:
    Path(file.path).parent.mkdir()
    Path(file.path).write_text("1\n")
    assert file.pid() == 0
    file.terminate()  # nobody, and least of all process 1


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="cannot be written"), PidFile(str(tmp_path / "file" / "one.pid")).held():
        pass


def test_a_detached_process_runs_by_itself_and_says_why_it_ended(file: PidFile, tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = f"""
import time
from {PidFile.__module__} import PidFile, detach
from {InvalidInput.__module__} import InvalidInput

def work():
    with PidFile({file.path!r}).held():
        print("at work", flush=True)
        raise InvalidInput("That cannot be used.")

detach(work, {str(log)!r})
print("the caller goes on")
"""
    collections = Path(__file__).resolve().parents[3] / "build" / "collections"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(collections)}, capture_output=True,
        text=True, check=True, timeout=30,
    )
    assert done.stdout == "the caller goes on\n"
    end = time.monotonic() + 20
    while not (log.exists() and "used" in log.read_text()):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert log.read_text() == "at work\nThat cannot be used.\n"
    assert file.pid() == 0
    assert log.stat().st_mode & 0o777 == 0o600
