# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directory of a mail server without one: a file with an address on each line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.listed_directory import ListedDirectory
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import ImapSettings
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    Refused,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry

LINES = """# the company
zoe@example.com
  Anna@Example.com\t
#bruno@example.com

anna@example.com
ärne@example.org
o'neil "the boss"@example.com
"""

Listed = Callable[[str], ListedDirectory]


@pytest.fixture
def accounts(tmp_path: Path) -> Path:
    return tmp_path / "accounts"


@pytest.fixture
def listed(accounts: Path) -> Listed:
    """Write a file and make a directory of it."""
    def make(lines: str) -> ListedDirectory:
        accounts.write_text(lines, encoding="utf-8")
        return ListedDirectory(ImapSettings(accounts_file=str(accounts)))

    return make


def names(directory: ListedDirectory, kind: str = kinds.ACCOUNT) -> list[str]:
    """Return what is in a directory."""
    return [entry.name for entry in directory.entries(kind)]


def test_accounts_are_the_lines_and_domains_follow_from_them(listed: Listed) -> None:
    directory = listed(LINES)
    assert names(directory) == [
        "Anna@Example.com", 'o\'neil "the boss"@example.com', "zoe@example.com", "ärne@example.org",
    ]
    assert names(directory, kinds.DOMAIN) == ["example.com", "example.org"]
    assert names(directory, kinds.COS) == names(directory, kinds.DISTRIBUTION_LIST) == []
    assert names(listed("\ufeffanna@example.com\r\nzoe@example.com")) == ["anna@example.com", "zoe@example.com"]
    assert names(listed("")) == []


def test_an_entry_is_found_by_its_name_or_id(listed: Listed) -> None:
    directory = listed(LINES)
    anna = directory.find(kinds.ACCOUNT, "ANNA@example.com")
    assert anna is not None and anna in list(directory.entries(kinds.ACCOUNT))
    assert directory.find(kinds.ACCOUNT, anna.entry_id) == anna
    for kind, name in (
        (kinds.DOMAIN, anna.entry_id), (kinds.DOMAIN, anna.name), (kinds.ACCOUNT, "bruno@example.com"),
        (kinds.ACCOUNT, ""), (kinds.COS, anna.name),
    ):
        assert directory.find(kind, name) is None


def test_ids_are_always_the_same(listed: Listed) -> None:
    for line in ("anna@example.com", "ANNA@example.com"):
        anna, = listed(line).entries(kinds.ACCOUNT)
        assert anna.entry_id == "bb2e0fea-0703-56dd-98f8-efd5ffa6b06f"


def test_a_changed_file_is_read_again(listed: Listed, accounts: Path) -> None:
    directory = listed("anna@example.com\n")
    assert names(directory) == ["anna@example.com"]
    new = accounts.with_suffix(".new")
    new.write_text("zoe@example.com\n", encoding="utf-8")
    os.replace(new, accounts)
    assert names(directory) == ["zoe@example.com"]
    assert directory.find(kinds.ACCOUNT, "anna@example.com") is None


BAD_LINES = ["anna", "@example.com", "anna@", "a@example.com b@example.com", "a@example.com # Anna", "a@exam ple.com",
             "a\0@example.com", "a@example.com,b@example.com b"]


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_line_that_is_no_address_is_named(listed: Listed, accounts: Path, line: str) -> None:
    directory = listed(f"zoe@example.com\n{line}\n")
    for _time in range(2):
        with pytest.raises(InvalidInput, match=f"{accounts}, line 2: "):
            directory.entries(kinds.ACCOUNT)


def test_a_file_that_cannot_be_read_is_named(listed: Listed, accounts: Path) -> None:
    directory = listed("anna@example.com\n")
    accounts.write_bytes(b"zoe@example.com\nb\xfcro@example.com\n")
    with pytest.raises(InvalidInput, match=f"{accounts}, line 2: it is not UTF-8"):
        directory.entries(kinds.ACCOUNT)
    accounts.unlink()
    with pytest.raises(InvalidInput, match=f"{accounts} cannot be read.*Check accounts_file"):
        directory.find(kinds.ACCOUNT, "anna@example.com")


def test_nothing_can_be_created(listed: Listed, accounts: Path) -> None:
    directory = listed("anna@example.com\n")
    assert directory.entry_kinds == frozenset()
    for kind, name in ((kinds.ACCOUNT, "ANNA@example.com"), (kinds.DOMAIN, "Example.com")):
        with pytest.raises(AlreadyExists, match=f"(?i)example.com is in {accounts}"):
            directory.create(Entry("", kind, name))
    with pytest.raises(Refused, match=r"zoe@example\.com.*on the mail server.*add its address to this file"):
        directory.create(Entry("", kinds.ACCOUNT, "zoe@example.com"))
    with pytest.raises(Refused, match=r"example\.org.*add its address to this file"):
        directory.create(Entry("", kinds.DOMAIN, "example.org"))
    for kind in (kinds.COS, kinds.DISTRIBUTION_LIST):
        with pytest.raises(Refused, match=f"holds no {kind}"):
            directory.create(Entry("", kind, "anna@example.com"))


def test_an_update_is_refused_only_where_there_is_something_to_hold(listed: Listed) -> None:
    directory = listed("anna@example.com\n")
    anna, = directory.entries(kinds.ACCOUNT)
    assert directory.update(anna) is False
    assert directory.update(anna._replace(attrs={"displayName": ()})) is False
    everything = anna._replace(
        attrs={"sn": ("x",), "cn": ("y",), "mobile": ()}, aliases=("a@example.com",), signatures=({"id": "s1"},)
    )
    with pytest.raises(Refused, match=r"cannot hold cn, sn, aliases, signatures of anna@example\.com"):
        directory.update(everything)
    with pytest.raises(NotFound):
        directory.update(anna._replace(entry_id="nobody"))


def test_nothing_can_be_deleted(listed: Listed, accounts: Path) -> None:
    directory = listed("anna@example.com\n")
    anna, = directory.entries(kinds.ACCOUNT)
    with pytest.raises(Refused, match=f"take it out of {accounts}"):
        directory.delete(kinds.ACCOUNT, anna.entry_id)
    with pytest.raises(NotFound):
        directory.delete(kinds.DOMAIN, anna.entry_id)
    assert names(directory) == ["anna@example.com"]
