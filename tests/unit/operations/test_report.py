# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    Damaged,
    InvalidInput,
    NotFound,
    Refused,
    Unavailable,
)
from ansible_collections.restante.carbonio.plugins.module_utils.operations import report as reports


def a_report() -> reports.RestoreReport:
    report = reports.RestoreReport()
    report.add_restored("message", 15000)
    report.add_restored("folder", 233)
    report.add_skipped("message", 125)
    report.add_unrestored("account1@example.com", "1255", "message", reports.READ_ERROR, "The pack is missing.")
    report.add_unrestored("b@example.com", "7", "contact", reports.INVALID_ITEM, "Over quota.")
    report.add_unrestored("account1@example.com", "1369", "message", reports.BROKEN_ITEM, "Altered.")
    return report


def test_the_text_has_the_documented_shape() -> None:
    """R-272, R-273."""
    assert a_report().text().startswith(
        "- stats -\n"
        "Restored Items: 15233\n"
        "Skipped Items:  125\n"
        "Unrestored Items: 3\n"
        "\n"
        "- unrestored items -\n"
        "account: account1@example.com\n"
        "unrestored items: 1255,1369\n"
        "account: b@example.com\n"
        "unrestored items: 7\n"
    )


def test_the_text_of_a_clean_restore_lists_nothing_unrestored() -> None:
    report = reports.RestoreReport()
    report.add_skipped("message")
    assert report.text() == "- stats -\nRestored Items: 0\nSkipped Items:  1\nUnrestored Items: 0\n"
    assert not report.changed


def test_each_unrestored_item_is_named_with_its_cause() -> None:
    """R-275."""
    text = a_report().text()
    assert "account1@example.com message 1255: read error: The pack is missing.\n" in text
    assert "account1@example.com message 1369: broken item: Altered.\n" in text
    assert "b@example.com contact 7: invalid item: Over quota.\n" in text


def test_an_entry_of_the_directory_is_listed_without_an_account() -> None:
    report = reports.RestoreReport()
    report.add_unrestored("", "example.com", "domain", reports.INVALID_ITEM, "No such COS.")
    assert "directory\nunrestored entries: example.com\n" in report.text()


def test_a_warning_is_given_once() -> None:
    report = reports.RestoreReport()
    report.warn("This server holds no tasks.")
    report.warn("This server holds no tasks.")
    assert report.text().count("This server holds no tasks.") == 1


def test_the_json_form_counts_by_kind() -> None:
    record = json.loads(json.dumps(a_report().to_json()))
    assert record["restored"] == {"folder": 233, "message": 15000}
    assert record["skipped"] == {"message": 125}
    assert record["unrestored"] == {"contact": 1, "message": 2}
    assert record["unrestored_items"][1] == {
        "account": "b@example.com", "item_id": "7", "kind": "contact", "cause": "invalid item", "reason": "Over quota.",
    }


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (NotFound("gone"), reports.READ_ERROR),
        (Unavailable("no answer"), reports.READ_ERROR),
        (OSError("input/output error"), reports.READ_ERROR),
        (Damaged("altered"), reports.BROKEN_ITEM),
        (Refused("over quota"), reports.INVALID_ITEM),
        (InvalidInput("no folder"), reports.INVALID_ITEM),
    ],
)
def test_an_error_stands_for_one_of_the_documented_causes(error: Exception, cause: str) -> None:
    """R-275."""
    assert reports.cause_of(error) == cause
