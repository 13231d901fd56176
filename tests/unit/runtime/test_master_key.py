# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the master key comes from; what is wrong with it is said, and the key itself never."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import shlex
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    InvalidInput,
    NotFound,
    Refused,
    RestanteError,
    Unavailable,
)
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import master_key
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import ENCRYPTION_KEYS, Settings
from hypothesis import given
from hypothesis import strategies as st

KEY, FORMER = bytes(range(100, 132)), bytes(range(32))
HEX = KEY.hex()


def in_file(path: Path, text: str | bytes, mode: int = 0o600) -> Settings:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return Settings(encryption_key_file=str(path))


def from_command(program: str) -> Settings:
    return Settings(encryption_key_command=shlex.join([sys.executable, "-c", program]))


def without_the_key(error: RestanteError, *keys: bytes) -> bool:
    """Return whether neither a message nor what it came from tells a key."""
    told = ""
    one: BaseException | None = error
    while one is not None:
        told += str(one)
        one = one.__cause__
    return not any(part in told for key in (KEY, *keys) for part in (
        key.hex()[:16], base64.b64encode(key).decode()[:16], repr(key)[2:20],
    ))


@given(st.lists(st.tuples(st.binary(min_size=32, max_size=32), st.sampled_from([
    bytes.hex, lambda key: key.hex().upper(), lambda key: base64.b64encode(key).decode(),
])), min_size=1, max_size=4), st.sampled_from(["\n", " ", "\r\n", "\n\n\t"]))
def test_keys_come_out_in_order_however_they_are_written(
    written: list[tuple[bytes, object]], between: str
) -> None:
    text = between.join(write(key) for key, write in written)  # type: ignore[operator]
    assert master_key.parse(f"{between}{text}{between}", "x") == [key for key, _write in written]


@given(st.text(max_size=100))
def test_whatever_else_is_there_is_refused_by_name(text: str) -> None:
    try:
        found = master_key.parse(text, "the place")
    except InvalidInput as error:
        assert "the place" in str(error) and "openssl rand -hex 32" in str(error)
    else:
        assert found and all(len(key) == 32 for key in found)


@pytest.mark.parametrize("text", [
    "", " \n", HEX[:-2], HEX + "00", HEX[:-1] + "g", base64.b64encode(KEY[:-1]).decode(),
    base64.b64encode(KEY).decode().rstrip("="), base64.b64encode(KEY).decode() + "=", f"{HEX} {HEX[:-2]}", "ключ",
])
def test_a_key_that_is_nearly_one_is_refused_without_telling_it(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        master_key.parse(text, "x")
    assert without_the_key(refused.value)


def test_settings_that_name_no_key_have_none() -> None:
    assert master_key.of(Settings()) == ()


# -- a file ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_for_its_owner_alone_gives_the_key(tmp_path: Path, mode: int) -> None:
    assert master_key.of(in_file(tmp_path / "key", f"{HEX}\n{FORMER.hex()}\n", mode)) == [KEY, FORMER]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o601, 0o620, 0o602, 0o777])
def test_a_file_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(Refused, match="chmod 600") as refused:
        master_key.of(in_file(tmp_path / "key", HEX, mode))
    assert without_the_key(refused.value)


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        master_key.of(Settings(encryption_key_file=str(tmp_path / "key")))


def test_a_directory_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        master_key.of(Settings(encryption_key_file=str(tmp_path)))


@pytest.mark.parametrize("data", [b"", KEY, b"\xff" * 100, os.urandom(100_000), HEX.encode("utf-16")])
def test_a_file_with_something_else_in_it_is_refused_without_telling_it(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        master_key.of(in_file(tmp_path / "key", data))
    assert without_the_key(refused.value)


# -- an environment variable -------------------------------------------------------------------------------------------


def test_a_variable_gives_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", HEX)
    assert master_key.of(Settings(encryption_key_variable="THE_KEY")) == [KEY]


def test_a_variable_that_is_not_set_is_told_and_one_without_a_key_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THE_KEY", raising=False)
    with pytest.raises(NotFound, match="THE_KEY"):
        master_key.of(Settings(encryption_key_variable="THE_KEY"))
    for text in ("", HEX[:-1], "\udcff"):
        monkeypatch.setenv("THE_KEY", text)
        with pytest.raises(InvalidInput, match="THE_KEY") as refused:
            master_key.of(Settings(encryption_key_variable="THE_KEY"))
        assert without_the_key(refused.value)


# -- a command ---------------------------------------------------------------------------------------------------------


def test_a_command_gives_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert master_key.of(from_command(f"import sys; print('{HEX}'); print('asked', file=sys.stderr)")) == [KEY]


def test_a_command_that_fails_is_told_with_what_it_says() -> None:
    program = f"import sys; print('{HEX}'); print('no connection', file=sys.stderr); sys.exit(3)"
    with pytest.raises(Unavailable, match="status 3, saying: no connection") as refused:
        master_key.of(Settings(encryption_key_command=shlex.join([sys.executable, "-c", program])))
    assert without_the_key(refused.value)


def test_a_command_that_says_very_much_is_cut_short() -> None:
    with pytest.raises(Unavailable) as refused:
        master_key.of(from_command("import sys; sys.stderr.buffer.write(b'\\xff' * 100_000); sys.exit(1)"))
    assert len(str(refused.value)) < 1000


def test_a_command_that_hangs_is_given_up_with_all_that_it_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(master_key, "_COMMAND_SECONDS", 0.5)
    start = time.monotonic()
    with pytest.raises(Unavailable, match="has not ended after"):
        master_key.of(Settings(encryption_key_command="sh -c 'sleep 30; true'"))
    assert time.monotonic() - start < 15


@pytest.mark.parametrize("command", ["/nowhere/at-all", "sh -c 'unclosed", "/tmp", " "])
def test_a_command_that_cannot_be_run_is_refused(command: str) -> None:
    with pytest.raises(Refused, match="cannot be run"):
        master_key.of(Settings(encryption_key_command=command))


@pytest.mark.parametrize("program", [
    "pass", "print('rubbish')", f"print('the key is {HEX}')", f"print('{HEX}' + 'ab')",
    "import sys; sys.stdout.buffer.write(bytes(range(256)))",
    f"import sys; sys.stdout.buffer.write({KEY!r})", "import sys; sys.stdout.buffer.write(bytes([200]) * 32)",
])
def test_a_command_that_prints_something_else_is_refused_without_telling_it(program: str) -> None:
    with pytest.raises(InvalidInput, match="encryption_key_command has printed") as refused:
        master_key.of(from_command(program))
    assert without_the_key(refused.value, bytes([200]) * 32)


# -- settings ----------------------------------------------------------------------------------------------------------


def test_settings_say_where_the_key_is_and_never_the_key(tmp_path: Path) -> None:
    settings = in_file(tmp_path / "key", HEX)
    assert master_key.of(settings) == [KEY]
    told = repr(settings) + json.dumps(settings.public()) + json.dumps(settings.to_json())
    assert HEX not in told and str(tmp_path / "key") in told


def test_only_one_place_may_be_named(tmp_path: Path) -> None:
    for one in ENCRYPTION_KEYS:
        for other in ENCRYPTION_KEYS:
            if one != other:
                with pytest.raises(InvalidInput, match="one of them alone"):
                    settings_file.check(dataclasses.replace(Settings(), **{one: "/a", other: "/b"}))


@pytest.mark.parametrize("changed", [
    {"encryption_key_file": "a/key"}, {"witness_path": "witness.json"},
    {"witness_path": "/opt/zextras/backup/zextras/witness/one.json"},
])
def test_places_that_cannot_be_meant_are_refused(changed: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(changed))):
        settings_file.check(dataclasses.replace(Settings(), **changed))
