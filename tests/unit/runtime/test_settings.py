# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of a node: kept private, checked, and never half written."""

from __future__ import annotations

import dataclasses
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput, NotFound, Refused
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import BackupVolume, Settings
from ansible_collections.restante.carbonio.plugins.modules.backup_config import ARGUMENTS
from hypothesis import given
from hypothesis import strategies as st

ABSOLUTE = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20).map(lambda text: "/" + text)


@given(st.builds(
    Settings, backup_path=ABSOLUTE.map("/backup".__add__), cache_path=ABSOLUTE, state_path=ABSOLUTE,
    mailstore_path=ABSOLUTE,
    mailstore_adapter=st.just("embedded"), time_zone=st.sampled_from(["", "UTC", "Europe/Rome"]),
    backup_volume=st.builds(BackupVolume, type=st.just("local"), path=ABSOLUTE.map("/volume".__add__)),
    smtp_security=st.just("tls"),
    administrator=st.text(st.characters(codec="utf-8")), smtp_port=st.integers(1, 65535),
))
def test_settings_come_back_as_they_were_written(settings: Settings) -> None:
    assert settings_file.from_json(json.loads(json.dumps(settings.to_json())), "a file") == settings


def test_what_is_not_set_has_the_vendors_default() -> None:
    assert settings_file.from_json({}, "a file") == Settings()
    assert Settings().backup_path == "/opt/zextras/backup/zextras"


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "etc" / "restante.json"
    settings_file.save(str(file), Settings(smtp_password="hidden"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert settings_file.load(str(file)).smtp_password == "hidden"
    assert [one.name for one in file.parent.iterdir()] == ["restante.json"]


def test_the_password_shows_nowhere_but_in_the_file() -> None:
    settings = Settings(smtp_password="hidden")
    assert "hidden" not in repr(settings) + json.dumps(settings.public())


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("a file where the directory should be")
    with pytest.raises(Refused, match="cannot be written"):
        settings_file.save(str(tmp_path / "etc" / "restante.json"), Settings())


@pytest.mark.parametrize("record, sentence", [
    ([], "is not a JSON object"),
    ({"colour": "blue"}, "unknown settings: colour"),
    ({"backup_path": 5}, "must be of the type str"),
    ({"backup_path": "relative"}, "absolute path"),
    ({"encryption_key_file": "relative"}, "absolute path"),
    ({"witness_path": "/no\0where"}, "absolute path"),
    ({"witness_path": "/opt/zextras/backup/zextras/witness"}, "is lost with it"),
    ({"encryption_key_file": "/key", "encryption_key_variable": "KEY"}, "set one of them alone"),
    ({"realtime_scanner": "yes"}, "must be of the type bool"),
    ({"smtp_port": True}, "must be of the type int"),
    ({"mailstore_adapter": "exchange"}, "it may be embedded"),
    ({"time_zone": "Mars/Olympus"}, "is not known on this node"),
    ({"backup_volume": "s3"}, "is not understood"),
    ({"backup_volume": {"type": "tape"}}, "it may be default, local, s3"),
    ({"backup_volume": {"type": "local", "path": 5}}, "is not understood"),
    ({"backup_volume": {"type": "local"}}, "absolute path"),
    ({"backup_volume": {"type": "s3"}}, "needs a bucket_configuration_id"),
])
def test_settings_that_cannot_work_are_refused_with_a_sentence(record: Any, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        settings_file.from_json(record, "a file")


def test_a_file_that_is_missing_or_no_json_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        settings_file.load(str(tmp_path / "none.json"))
    (tmp_path / "broken.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(InvalidInput, match="is not JSON"):
        settings_file.load(str(tmp_path / "broken.json"))


def test_every_setting_is_an_option_of_the_module() -> None:
    names = {field.name for field in dataclasses.fields(Settings)} - {"backup_volume"}
    assert names == set(ARGUMENTS) - {"mailstore_create"}
