# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plans of an External Restore, as the pure functions that they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput, NotFound
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.restore import plan
from ansible_collections.restante.carbonio.plugins.module_utils.restore.idmap import OriginSet
from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import (
    ExternalOptions,
    check,
    named_accounts,
)
from ansible_collections.restante.carbonio.plugins.module_utils.restore.selection import (
    Directory,
    Selection,
    is_system_account,
    select,
)
from hypothesis import given
from hypothesis import strategies as st


def entry(kind: str, name: str, **attrs: str) -> Entry:
    return Entry(f"id-{name}", kind, name, {key: (value,) for key, value in attrs.items()})


def account(name: str, **attrs: str) -> Entry:
    return entry(kinds.ACCOUNT, name, **attrs)


DIRECTORY: Directory = {
    kinds.DOMAIN: [
        entry(kinds.DOMAIN, "alias.example", zimbraDomainType="alias"),
        entry(kinds.DOMAIN, "one.example", zimbraDomainDefaultCOSId="id-gold"),
        entry(kinds.DOMAIN, "two.example"),
    ],
    kinds.COS: [entry(kinds.COS, name) for name in ("default", "gold", "silver", "unused")],
    kinds.DISTRIBUTION_LIST: [
        entry(kinds.DISTRIBUTION_LIST, "all@one.example"), entry(kinds.DISTRIBUTION_LIST, "all@two.example"),
    ],
    kinds.ACCOUNT: [
        account("anna@one.example"),
        account("bruno@one.example", zimbraCOSId="id-silver"),
        account("carla@two.example"),
        account("galsync.x1@one.example"),
        account("scanner@two.example", zimbraIsSystemAccount="TRUE"),
    ],
}


def names(entries: Sequence[Entry]) -> list[str]:
    return [one.name for one in entries]


def chosen(**options: Any) -> Selection:
    given_options = ExternalOptions(**options)
    return select(DIRECTORY, given_options, named_accounts(given_options))


def test_without_restriction_everything_is_restored_but_system_accounts() -> None:
    """R-113."""
    selection = chosen()
    assert names(selection.accounts) == ["anna@one.example", "bruno@one.example", "carla@two.example"]
    assert sorted(selection.left_out) == ["galsync.x1@one.example", "scanner@two.example"]
    assert names(selection.lists) == ["all@one.example", "all@two.example"]


def test_system_accounts_are_restored_when_asked_for() -> None:
    """R-111."""
    assert len(chosen(skip_system_accounts=False).accounts) == 5
    assert names(chosen(accounts=["galsync.x1@one.example"]).accounts) == ["galsync.x1@one.example"]


@pytest.mark.parametrize(("name", "system"), [
    ("galsync@example.com", True), ("galsync.abc@example.com", True), ("spam.k2@example.com", True),
    ("ham.k2@example.com", True), ("virus-quarantine.k2@example.com", True),
    ("spam@example.com", False), ("graham.x@example.com", False), ("galsyncer@example.com", False),
])
def test_system_accounts_are_told_by_the_names_that_the_product_gives_them(name: str, system: bool) -> None:
    assert is_system_account(account(name)) is system


def test_only_classes_of_service_in_use_are_restored() -> None:
    """R-142: the account's own, that of its domain, the default where neither names one."""
    assert names(chosen().coses) == ["default", "gold", "silver"]
    assert names(chosen(accounts=["anna@one.example"]).coses) == ["gold"]
    assert names(chosen(accounts=["carla@two.example"]).coses) == ["default"]


def test_accounts_alone_bring_their_domains_but_no_lists() -> None:
    """R-107."""
    selection = chosen(accounts=["carla@two.example"])
    assert names(selection.accounts) == ["carla@two.example"]
    assert names(selection.domains) == ["two.example"]
    assert not selection.lists


def test_accounts_and_domains_together_are_a_union_in_the_order_given() -> None:
    """R-112, R-118, R-119: an id is as good as an address, and the case of an address does not matter."""
    selection = chosen(accounts=["id-carla@two.example", "BRUNO@one.example"], domains=["One.example"])
    assert names(selection.accounts) == ["carla@two.example", "bruno@one.example", "anna@one.example"]
    assert names(selection.lists) == ["all@one.example"]


def test_an_alias_domain_comes_after_the_domain_that_it_stands_for() -> None:
    assert names(chosen().domains) == ["one.example", "two.example", "alias.example"]


@pytest.mark.parametrize("options", [
    {"accounts": ["nobody@one.example", "anna@one.example", "noone"]}, {"domains": ["three.example"]},
])
def test_what_the_backup_does_not_have_is_named_before_anything_happens(options: dict[str, Any]) -> None:
    with pytest.raises(NotFound) as caught:
        chosen(**options)
    for name in ("nobody@one.example", "noone") if "accounts" in options else ("three.example",):
        assert repr(name) in str(caught.value)


def test_an_input_file_names_one_account_per_line(tmp_path: Any) -> None:
    """R-117."""
    path = tmp_path / "accounts.txt"
    path.write_bytes(b"\xef\xbb\xbfcarla@two.example\r\n\n  id-anna@one.example \n")
    selection = chosen(accounts=["bruno@one.example"], input_file=str(path))
    assert names(selection.accounts) == ["bruno@one.example", "carla@two.example", "anna@one.example"]


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe\x00"])
def test_an_input_file_that_names_nobody_does_not_mean_everybody(tmp_path: Any, content: bytes | None) -> None:
    path = tmp_path / "accounts.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match="input_file"):
        named_accounts(ExternalOptions(input_file=str(path)))


@pytest.mark.parametrize("options", [{"concurrent_accounts": 0}, {"max_file_size": -1}])
def test_numbers_that_mean_nothing_are_refused(options: dict[str, Any]) -> None:
    """R-169: any positive number of concurrent accounts is accepted."""
    with pytest.raises(InvalidInput, match=next(iter(options))):
        check(ExternalOptions(**options))
    check(ExternalOptions(concurrent_accounts=1000))


def printed(**options: Any) -> list[str]:
    given_options = ExternalOptions(**options)
    return [str(step) for step in plan.provisioning(chosen(accounts=["anna@one.example"], **options), given_options)]


def test_phase_1_has_the_documented_order() -> None:
    """R-141, R-142, R-143, R-144, R-145, R-146, R-147."""
    options = ExternalOptions(domains=["one.example"])
    selection = select(DIRECTORY, options, [])
    assert [str(step) for step in plan.provisioning(selection, options)] == [
        "create domain one.example",
        "create cos gold",
        "write the attributes of cos gold",
        "create cos silver",
        "write the attributes of cos silver",
        "create distribution_list all@one.example",
        "create account anna@one.example",
        "create account bruno@one.example",
        "write the attributes of account anna@one.example",
        "write the attributes of account bruno@one.example",
        "write the attributes of domain one.example",
        "write the attributes of distribution_list all@one.example",
    ]


def test_without_domain_provisioning_there_are_the_accounts_alone() -> None:
    """R-109."""
    assert printed(skip_domain_provisioning=True) == [
        "create account anna@one.example", "write the attributes of account anna@one.example",
    ]


@pytest.mark.parametrize(("option", "kind"), [
    ("skip_coses", "cos"), ("skip_distribution_lists", "distribution_list"), ("skip_account_provisioning", "account"),
])
def test_each_skip_option_suppresses_just_that_kind(option: str, kind: str) -> None:
    """R-115."""
    everything = [str(step) for step in plan.provisioning(chosen(), ExternalOptions())]
    rest = [str(step) for step in plan.provisioning(chosen(), ExternalOptions()._replace(**{option: True}))]
    assert rest == [step for step in everything if f" {kind} " not in step]


def message(item_id: str, size: int = 1, digest: str = "d") -> ItemState:
    return ItemState(item_id, kinds.MESSAGE, "2", size=size, digest=digest)


def test_items_are_written_skipped_or_left() -> None:
    """R-120, R-129."""
    present = OriginSet()
    present.add("2")
    states = [message("1"), message("2"), message("3", size=11), message("4", size=10), message("5", digest="")]
    steps = list(plan.items(states, present, max_size=10))
    assert [(step.action, step.state.item_id) for step in steps] == [
        (plan.WRITE, "1"), (plan.SKIP, "2"), (plan.LEAVE, "3"), (plan.WRITE, "4"), (plan.LEAVE, "5"),
    ]
    assert "max_file_size of 10" in str(steps[2])


FOLDER_IDS = st.sampled_from([str(number) for number in range(1, 9)])


@given(st.dictionaries(FOLDER_IDS, FOLDER_IDS | st.just("99"), max_size=8))
def test_folders_come_after_the_one_they_lie_in_whatever_the_damage(parents: dict[str, str]) -> None:
    """Rings and missing parents included: each folder is there once, and every parent that there is comes before."""
    folders = [ItemState("0", kinds.FOLDER)]
    folders += [ItemState(one, kinds.FOLDER, parent, f"f{one}") for one, parent in parents.items()]
    ordered = [folder for level in plan.levels(folders) for folder in level]
    assert sorted(folder.item_id for folder in ordered) == sorted(folder.item_id for folder in folders)
    seen: set[str] = set()
    for level in plan.levels(folders):
        for folder in level:
            assert folder.folder in seen or folder.folder not in {one.item_id for one in folders}
        seen.update(folder.item_id for folder in level)


@given(st.lists(st.one_of(
    st.integers(0, 5000).map(str), st.integers(0, 10**12).map(str), st.text(max_size=4), st.just("007"), st.just("٣"),
)), st.lists(st.one_of(st.integers(0, 5000).map(str), st.just("7"), st.just("3"), st.text(max_size=4))))
def test_a_set_of_origins_is_a_set(added: list[str], asked: list[str]) -> None:
    origins = OriginSet()
    for one in added:
        origins.add(one)
    for one in (*added, *asked):
        assert (one in origins) is (one in set(added))
