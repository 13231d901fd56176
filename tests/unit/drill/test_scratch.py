# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scratch directory of a drill: private, gone afterwards, and gone after a kill as well."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.drill.scratch import PREFIX, scratch
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Refused

CHECKOUT = Path(__file__).resolve().parents[3]
KILLED = """
import os, signal, sys
from ansible_collections.restante.carbonio.plugins.module_utils.drill.scratch import scratch
with scratch(sys.argv[1], "killed", keep=len(sys.argv) > 2) as path:
    open(os.path.join(path, "mail"), "w").close()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(parent: Path, *keep: str) -> None:
    """Leave what a killed drill leaves."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "build" / "collections")}
    subprocess.run([sys.executable, "-c", KILLED, str(parent), *keep], env=environment, check=False)
    assert (parent / f"{PREFIX}killed" / "mail").exists()


def test_it_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with pytest.raises(KeyError), scratch(str(tmp_path / "new"), "a") as path:
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o700
        (Path(path) / "mail").write_text("x")
        raise KeyError
    assert list((tmp_path / "new").iterdir()) == []


def test_it_stays_where_somebody_wants_to_look_at_it(tmp_path: Path) -> None:
    with scratch(str(tmp_path), "a", keep=True) as path:
        (Path(path) / "mail").write_text("x")
    with scratch(str(tmp_path), "b"):
        pass
    assert [one.name for one in tmp_path.iterdir()] == [f"{PREFIX}a"] and (tmp_path / f"{PREFIX}a" / "mail").exists()


def test_what_a_kill_has_left_goes_with_the_next_drill_and_nothing_else(tmp_path: Path) -> None:
    killed(tmp_path)
    (tmp_path / f"{PREFIX}empty").mkdir()
    (tmp_path / f"{PREFIX}other").mkdir()
    (tmp_path / f"{PREFIX}other" / "file").write_text("somebody's")
    (tmp_path / "mine").mkdir()
    with scratch(str(tmp_path), "b"):
        assert {one.name for one in tmp_path.iterdir()} == {f"{PREFIX}b", f"{PREFIX}other", "mine"}
    killed(tmp_path, "keep")
    with scratch(str(tmp_path), "c"):
        assert (tmp_path / f"{PREFIX}killed").exists(), "it was to be kept"


def test_one_that_lives_is_left_alone(tmp_path: Path) -> None:
    with scratch(str(tmp_path), "a") as first, scratch(str(tmp_path), "b"):
        assert Path(first).is_dir()


def test_a_place_that_cannot_be_had_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Refused, match="scratch_path"), scratch(str(tmp_path / "file"), "a"):
        pass
