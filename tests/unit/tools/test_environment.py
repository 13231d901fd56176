# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The environments that make builds, where that can be seen without building one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import environment


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    (tmp_path / "base.txt").write_text("one\n")
    top = tmp_path / "top.txt"
    top.write_text("-r base.txt\ntwo\n")
    return top


def test_the_stamp_stays_as_long_as_nothing_changes(requirements: Path) -> None:
    assert environment.stamp_of(requirements, "python3") == environment.stamp_of(requirements, "python3")


def test_the_stamp_changes_with_a_file_that_the_requirements_name(requirements: Path) -> None:
    before = environment.stamp_of(requirements, "python3")
    (requirements.parent / "base.txt").write_text("one>=2\n")
    assert environment.stamp_of(requirements, "python3") != before


def test_the_stamp_changes_with_the_python(requirements: Path) -> None:
    assert environment.stamp_of(requirements, "python3.12") != environment.stamp_of(requirements, "python3.13")


def test_a_failed_command_is_shown_with_what_it_said() -> None:
    with pytest.raises(environment.Impossible, match="(?s)no index.*could not be installed"):
        environment.run(["sh", "-c", "echo no index; exit 1"], "The packages could not be installed.")


def test_an_old_python_without_a_newer_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "OLDEST", (99, 0))
    with pytest.raises(environment.Impossible, match="Python 99.0 or newer is needed"):
        environment.suitable_python()


def test_without_ensurepip_and_debian_the_advice_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "BUILD", tmp_path)
    monkeypatch.setattr(environment, "DEBIAN_WHEELS", "nowhere")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(environment.Impossible, match="apt-get install python3-venv"):
        environment.pip_wheel()
