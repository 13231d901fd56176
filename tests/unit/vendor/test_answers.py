# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the vendor's command answers, in the documented shapes and in none: taken apart, or said to be unreadable."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    AlreadyExists,
    Damaged,
    InvalidInput,
    NotFound,
    Refused,
    RestanteError,
    Unavailable,
)
from ansible_collections.restante.carbonio.plugins.module_utils.vendor import answers, fields
from ansible_collections.restante.carbonio.plugins.module_utils.vendor.runner import Done
from ansible_collections.restante.carbonio.plugins.module_utils.vendor.words import Command
from hypothesis import given
from hypothesis import strategies as st
from scripted import RECORDED

ID = "8d4ab1f1-33d6-4a1c-9a5e-0b7a3f7d5a11"
SCAN = Command(("backup", "doSmartScan", "start"))
SECRET = Command(("core", "doCreateBucket", "S3", "b", "K", "s3cret"), frozenset(["s3cret"]))


def recorded(name: str) -> Any:
    return answers.answer_of(SCAN, RECORDED[name])


@pytest.mark.parametrize("name", ["started", "started by its server", "started in words", "started at the prompt"])
def test_the_id_of_an_operation_is_found_wherever_it_stands(name: str) -> None:
    assert answers.operation_id(SCAN, recorded(name)) == ID


def test_an_operation_without_an_id_is_said_to_have_none() -> None:
    with pytest.raises(Damaged, match="was accepted, but has not told the id of its operation: queued"):
        answers.operation_id(SCAN, recorded("started without an id"))


def test_of_several_ids_none_is_guessed() -> None:
    with pytest.raises(Damaged, match="has not told"):
        answers.operation_id(SCAN, {"running": ID, "queued": ID.replace("8", "9")})


@pytest.mark.parametrize(("name", "error", "words"), [
    ("no such account", NotFound, "No such account: nobody@example.com"),
    ("exit status alone", InvalidInput, "requires more parameters Syntax:"),
    ("server down", Unavailable, "Unable to communicate with server."),
    ("server down and said so", Unavailable, "Connection refused"),
    ("not licensed", Refused, "not included in your license"),
    ("taken", AlreadyExists, "already in use"),
    ("wrong value", InvalidInput, "Invalid value"),
    ("something else", Refused, "(exit status 3), saying: java.lang.IllegalStateException."),
    ("killed", Refused, "(killed by signal 9), saying: nothing"),
    ("garbage", Damaged, "<html>503</html>"),
    ("truncated", Damaged, "has ended well, but its answer cannot be read"),
    ("silent", Damaged, "answered nothing"),
])
def test_what_goes_wrong_is_an_error_of_ours_with_the_vendors_words(
    name: str, error: type[RestanteError], words: str
) -> None:
    with pytest.raises(RestanteError) as failed:
        recorded(name)
    assert failed.type is error
    assert words in str(failed.value) and str(failed.value).startswith("carbonio backup doSmartScan start has ")
    assert str(failed.value).endswith(".")


def test_no_error_repeats_a_secret() -> None:
    done = Done(1, "", "cannot sign with s3cret: Access Denied")
    with pytest.raises(Refused) as failed:
        answers.answer_of(SECRET, done)
    assert "s3cret" not in str(failed.value) and "Access Denied" in str(failed.value)


def test_a_long_answer_is_cut_in_messages() -> None:
    with pytest.raises(RestanteError) as failed:
        answers.answer_of(SCAN, Done(1, "", "x" * 100_000))
    assert len(str(failed.value)) < 1000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["id", ID, "3/64", "running"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.text() | st.sampled_from(["ok", "response", "error", "id", "operationId", "state", "phase", "attribute"]),
        inner, max_size=4,
    ), max_leaves=12,
)


@given(JSON)
def test_no_answer_whatsoever_is_more_than_an_error_of_ours(answer: Any) -> None:
    fields.state_of(answer)
    fields.seen(answer)
    fields.rows(answer)
    fields.with_id(answer, ID)
    fields.attribute(answer, "a")
    fields.attributes(answer)
    fields.volumes(answer)
    fields.holds(answer)
    fields.ended_as(answer)
    for find in (answers.operation_id, answers.bucket_id):
        try:
            find(SCAN, answer)
        except Damaged:
            pass


@given(st.text(), st.integers(-15, 4), st.text())
def test_no_output_whatsoever_is_more_than_an_error_of_ours(output: str, status: int, errors: str) -> None:
    try:
        answers.answer_of(SCAN, Done(status, output, errors))
    except RestanteError:
        pass


# -- what is looked for by its name ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "state"), [
    ("log successful", "successful"), ("log failed", "failed"), ("log stopped", "stopped"),
    ("log interrupted", "interrupted"), ("log without it", ""),
])
def test_how_an_operation_has_ended_is_in_the_log(name: str, state: str) -> None:
    assert fields.state_of(fields.with_id(recorded(name), ID)) == state


def test_progress_is_a_count_of_something() -> None:
    assert fields.seen(recorded("progress")) == fields.Seen("Current Pass (Digest Prefix)", 3, 64)


def test_an_attribute_has_a_value_that_is_its_own_or_inherited() -> None:
    assert fields.attribute(recorded("attribute of its own"), "ZxBackup_RealTimeScanner") == ("FALSE", False)
    assert fields.attribute(recorded("attribute inherited"), "backupEnabled") == ("true", True)
    assert fields.attribute(recorded("attribute inherited"), "another") is None
    assert fields.attributes(recorded("attributes")) == {
        "backupEnabled": "true", "ZxBackup_DestPath": "/opt/zextras/backup/zextras/",
    }


@pytest.mark.parametrize(("name", "held"), [("holds", [True, False]), ("holds in fields", [True])])
def test_legal_holds_are_lines_or_fields(name: str, held: list[bool]) -> None:
    found = fields.holds(recorded(name))
    assert [one["held"] for one in found] == held
    assert (found[0]["name"], found[0]["id"]) == ("ann@example.com", "4a217bb3-0d4e-4c35-8d3c-9a2f53b1f0aa")


def test_volumes_have_what_is_shown_of_them() -> None:
    first, index, _hsm = fields.volumes(recorded("volumes"))
    assert first == fields.Volume("1", "message1", "primary", "/opt/zextras/store", False, 4096, True)
    assert index.compressed is None and index.compression_threshold is None


def test_the_report_of_a_restore_is_read_from_its_notification() -> None:
    [text] = [one for one in fields.texts(recorded("notification with a report")) if "stats" in one]
    report = fields.report_of(text)
    assert report is not None
    assert report.counts == {"restored": 15233, "skipped": 125, "unrestored": 3}
    assert report.unrestored == [
        ("account1@example.com", "1255"), ("account1@example.com", "1369"), ("account2@example.com", "49"),
    ]
    assert report.text.startswith("- stats -")
    assert fields.report_of("Operation Started") is None
