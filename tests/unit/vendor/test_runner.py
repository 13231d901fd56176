# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vendor's command as a process: exit codes, hangs, what it is told and who it is."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import NotFound, Refused, Unavailable
from ansible_collections.restante.carbonio.plugins.module_utils.vendor.runner import Done, Process


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def run(path: Path, text: str, *words: str, told: str = "", seconds: float = 60) -> Done:
    return Process(script(path / "carbonio", text), "", seconds).run(words, told)


def test_words_are_words_and_no_shell_reads_them(tmp_path: Path) -> None:
    assert run(tmp_path, 'printf "%s|" "$@"', "a b", "$HOME", "; rm -rf /").output == "a b|$HOME|; rm -rf /|"


@pytest.mark.parametrize("status", [0, 1, 2, 3, 4])
def test_the_exit_status_and_both_outputs_come_back(tmp_path: Path, status: int) -> None:
    assert run(tmp_path, f"echo said; echo complained >&2; exit {status}") == (status, "said\n", "complained\n")


def test_a_command_that_was_killed_has_a_negative_status(tmp_path: Path) -> None:
    assert run(tmp_path, "kill -9 $$").status == -9


def test_it_is_told_on_standard_input_which_ends(tmp_path: Path) -> None:
    assert run(tmp_path, "cat", told="core doCreateBucket\n").output == "core doCreateBucket\n"


def test_its_environment_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    lines = run(tmp_path, "env").output.splitlines()
    assert "LC_ALL=C.UTF-8" in lines and f"HOME={pwd.getpwuid(os.geteuid()).pw_dir}" in lines
    assert not [line for line in lines if "hidden" in line]


def test_bytes_that_are_no_text_are_shown_as_such(tmp_path: Path) -> None:
    assert run(tmp_path, r"printf '\377ok'").output == "\ufffdok"


def test_a_command_that_does_not_exist_says_what_to_do() -> None:
    with pytest.raises(NotFound, match="/nowhere/carbonio does not exist on this node.*set engine to restante"):
        Process("/nowhere/carbonio", "").run(["--json"])


def test_a_command_that_may_not_be_run_says_so(tmp_path: Path) -> None:
    (tmp_path / "carbonio").write_text("no program")
    with pytest.raises(Refused, match=r"cannot be run \(Permission denied\)"):
        Process(str(tmp_path / "carbonio"), "").run(["--json"])


def test_a_hang_ends_with_the_command_and_all_that_it_has_begun(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(Unavailable, match=r"has not ended within 0\.5 s, and was killed"):
        run(tmp_path, f"sleep 300 & echo $! > {tmp_path}/child; wait", seconds=0.5)
    assert time.monotonic() - begun < 30
    child = int((tmp_path / "child").read_text())
    until = time.monotonic() + 10
    while _lives(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _lives(child)


def _lives(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_a_user_that_does_not_exist_says_so() -> None:
    with pytest.raises(NotFound, match="no user nobody-at-all"):
        Process("/bin/true", "nobody-at-all").run([])


def test_somebody_else_than_its_user_is_refused() -> None:
    child = os.fork()
    if child == 0:  # root may become anybody, so it is somebody else who tries
        with contextlib.suppress(PermissionError):
            os.setuid(pwd.getpwnam("nobody").pw_uid)
        said = ""
        try:
            Process("/bin/true", "root").run([])
        except Refused as error:
            said = str(error)
        os._exit(0 if "become_user: root" in said else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.fixture
def public_place() -> Iterator[Path]:
    """A directory that every user can reach."""
    place = Path(tempfile.mkdtemp(prefix="restante-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become the service user")
def test_root_runs_it_as_its_user_with_the_groups_of_that_one(public_place: Path) -> None:
    path = script(public_place / "carbonio", 'echo "$(id -un) $(id -G) $HOME $LOGNAME"')
    user = pwd.getpwnam("nobody")
    groups = " ".join(map(str, sorted(os.getgrouplist("nobody", user.pw_gid))))
    assert Process(path, "nobody").run([]).output.split() == ["nobody", *groups.split(), user.pw_dir, "nobody"]
