# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking into a backup for accounts and domains."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main as command_line
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds, moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    AlreadyExists,
    Damaged,
    InvalidInput,
    NotFound,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from ansible_collections.restante.carbonio.plugins.module_utils.restore.idmap import ImportMap, Row, map_name
from ansible_collections.restante.carbonio.plugins.module_utils.restore.shown import HIDDEN
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import account_inspection, inspection
from inspection_kit import Office

ANN = "ann@example.com"


def names(found: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(one["name"], one["deleted"]) for one in found]


def renamed(office: Office, account_id: str, **attrs: tuple[str, ...]) -> None:
    entry = office.store.find_entry(kinds.ACCOUNT, account_id)
    office.store.update_entry(entry._replace(attrs={**entry.attrs, **attrs}))


def test_an_account_is_shown_at_a_date_most_and_least_recent_or_all(office: Office) -> None:
    """R-258."""
    ann = office.account("ann", attrs={"displayName": ("Ann",), "userPassword": ("{SSHA512}secret",)})
    first = office.scan()
    renamed(office, ann, displayName=("Ann Smith",))
    office.scan()

    def shown(date: str) -> list[str]:
        found = account_inspection.account(office.node, ANN, date=date)
        return [state["attrs"]["displayName"][0] for state in found["states"]]

    assert shown("all") == ["Ann", "Ann Smith"]
    assert shown("most_recent") == shown("last") == ["Ann Smith"]
    assert shown("LEAST_RECENT") == ["Ann"]
    assert shown(moment.iso(first)) == ["Ann"]
    with pytest.raises(InvalidInput, match="begins"):
        shown("1999-01-01")


def test_an_account_is_shown_without_its_secrets(office: Office) -> None:
    secrets = {
        "userPassword": ("{SSHA512}abc",), "zimbraPasswordHistory": ("abc",), "zimbraAuthTokens": ("abc",),
        "zimbraTwoFactorAuthSecret": ("abc",), "zimbraDataSourcePassword": ("abc",),
    }
    office.account("ann", attrs={**secrets, "zimbraPasswordMinLength": ("8",)})
    office.scan()
    found = account_inspection.account(office.node, ANN)
    assert "abc" not in json.dumps(found)
    attrs = found["states"][0]["attrs"]
    assert all(attrs[name] == [HIDDEN] for name in secrets) and attrs["zimbraPasswordMinLength"] == ["8"]


def test_the_statistics_of_an_account(office: Office) -> None:
    """R-258."""
    ann = office.account("ann")
    kept, gone = office.write(ann, b"12345"), office.write(ann, b"1")
    office.scan()
    office.store.delete_items(ann, [gone])
    office.scan()
    statistics = account_inspection.account(office.node, ANN, backupstats=True)["backupstats"]
    assert kept and statistics["items"]["message"] == 1 and statistics["deleted_items"] == {"message": 1}
    assert statistics["bytes"] == 5


def test_a_deleted_account_is_listed_and_system_accounts_are_not(office: Office) -> None:
    """R-254, R-255."""
    for name in ("ann", "bob", "galsync"):
        office.account(name)
    before = office.scan()
    office.store.delete_entry(kinds.ACCOUNT, "a-bob")
    office.scan()
    available = account_inspection.available_accounts
    assert names(available(office.node)) == [(ANN, False), ("bob@example.com", True)]
    assert names(available(office.node, hide_deleted=True)) == [(ANN, False)]
    assert len(available(office.node, hide_system_accounts=False)) == 3
    assert names(available(office.node, hide_existing_accounts=True)) == [("bob@example.com", True)]
    assert names(available(office.node, date=moment.iso(before))) == [(ANN, False), ("bob@example.com", False)]
    with pytest.raises(NotFound, match="nowhere.org"):
        available(office.node, domains=["nowhere.org"])


def test_an_account_deleted_and_made_again_is_two(office: Office) -> None:
    """R-254: homonyms do not confuse it; the one that is there has the address, the other one is found by its id."""
    office.account("ann", "old")
    office.write("old", b"old mail")
    office.scan()
    office.store.delete_entry(kinds.ACCOUNT, "old")
    office.scan()
    office.account("ann", "new")
    new = office.write("new", b"new mail")
    office.scan()
    found = account_inspection.available_accounts(office.node)
    assert [(one["id"], one["deleted"]) for one in found] == [("new", False), ("old", True)]
    existing = account_inspection.available_accounts(office.node, hide_existing_accounts=True)
    assert [one["id"] for one in existing] == ["old"]
    items = inspection.search_items(office.node, ANN, search_filter="all")["items"]
    assert [one["item_id"] for one in items] == [new]
    assert account_inspection.account(office.node, "old")["deleted"]


def test_of_deleted_homonyms_the_last_one_has_the_address(office: Office) -> None:
    for account_id in ("z-first", "a-second"):
        office.account("ann", account_id)
        office.scan()
        office.store.delete_entry(kinds.ACCOUNT, account_id)
        office.scan()
    assert account_inspection.account(office.node, ANN)["id"] == "a-second"


def test_an_account_is_found_by_its_alias_after_all_names(office: Office) -> None:
    """R-037, R-300."""
    office.account("ann", aliases=("info@example.com",))
    office.scan()
    assert account_inspection.account(office.node, "INFO@example.com")["name"] == ANN


def test_the_list_is_written_to_a_new_file(office: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """R-256."""
    office.account("ann")
    office.account("bob")
    office.scan()

    def say(*words: str) -> int:
        return command_line(["--config-file", office.config_file, "backup", "getAvailableAccounts", *words])

    plain, several = tmp_path / "plain", tmp_path / "several"
    assert say("output_file", str(plain)) == 0
    assert plain.read_text() == "ann@example.com\nbob@example.com\n" and plain.stat().st_mode & 0o777 == 0o600
    assert say("output_file", str(several), "output_headers", "accountIdList,accountMap") == 0
    assert several.read_text().splitlines() == [
        "# accountIdList", "a-ann", "a-bob", "# accountMap", "a-ann=ann@example.com", "a-bob=bob@example.com"
    ]
    assert say("output_file", str(plain)) == 1 and "left alone" in capsys.readouterr().err
    assert say("output_file", str(tmp_path / "x"), "output_headers", "everything") == 1
    with pytest.raises(AlreadyExists):
        account_inspection.write_accounts([], str(plain))


def test_the_domains_are_listed(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    """R-257."""
    office.store.create_entry(Entry("d2", kinds.DOMAIN, "example.org"))
    office.scan()
    path = office.node.settings.backup_path
    assert account_inspection.available_domains(office.node, "last", path) == ["example.com", "example.org"]
    command = ["--config-file", office.config_file, "backup", "getAvailableDomains", "last", path]
    assert command_line(command) == 0 and "example.org" in capsys.readouterr().out


def test_an_empty_backup_has_no_accounts_and_no_moments(office: Office) -> None:
    assert account_inspection.available_accounts(office.node) == []
    with pytest.raises(InvalidInput, match="empty"):
        account_inspection.available_accounts(office.node, date="2026-01-01")


def test_a_map_is_shown(office: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """R-260."""
    rows = [Row("account", ANN, "1", "2")]
    with_map = ImportMap(str(tmp_path), "server-a")
    with_map.record(rows)
    with_map.close()
    path = str(tmp_path / map_name("server-a"))
    assert inspection.map_rows(path) == [rows[0]._asdict()]
    assert command_line(["--config-file", office.config_file, "backup", "getMap", path]) == 0
    assert ANN in capsys.readouterr().out
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    with pytest.raises(Damaged):
        inspection.map_rows(str(tmp_path / "binary"))
    with pytest.raises(NotFound):
        inspection.map_rows(str(tmp_path / "missing"))
