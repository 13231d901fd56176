# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What refers to something by its id gets the id that it has at the destination."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.restore import attributes, shares, sieve
from ansible_collections.restante.carbonio.plugins.module_utils.restore.references import paths_of
from hypothesis import given
from hypothesis import strategies as st

ENTRIES = {"cos": "COS", "anna": "ANNA", "bruno": "BRUNO", "list": "LIST", "domain": "DOMAIN"}
ITEMS = {("anna", "257"): "300", ("bruno", "258"): "301"}


def entry_ids(entry_id: str) -> str | None:
    return ENTRIES.get(entry_id)


def item_ids(account: str, item: str) -> str | None:
    return ITEMS.get((account, item))


@pytest.mark.parametrize(("name", "before", "after"), [
    ("zimbraCOSId", "cos", "COS"),
    ("zimbraDomainDefaultCOSId", "cos", "COS"),
    ("zimbraDomainDefaultExternalUserCOSId", "cos", "COS"),
    ("zimbraDomainAliasTargetId", "domain", "DOMAIN"),
    ("zimbraGalAccountId", "anna", "ANNA"),
    ("zimbraDomainCOSMaxAccounts", "cos:50", "COS:50"),
    ("zimbraACE", "anna usr sendAs", "ANNA usr sendAs"),
    ("zimbraACE", "list grp +loginAs", "LIST grp +loginAs"),
    ("zimbraACE", "00000000-0000-0000-0000-000000000000 all viewFreeBusy",
     "00000000-0000-0000-0000-000000000000 all viewFreeBusy"),
    ("description", "cos", "cos"),
])
def test_ids_in_attributes_are_mapped(name: str, before: str, after: str) -> None:
    entry, unresolved = attributes.mapped(Entry("x", kinds.ACCOUNT, "x@y", {name: (before,)}), entry_ids)
    assert entry.attrs == {name: (after,)}
    assert not unresolved


def test_an_id_of_what_is_not_there_is_left_out_and_named() -> None:
    before = Entry("x", kinds.DOMAIN, "y", {"zimbraCOSId": ("gone",), "zimbraACE": ("anna usr r", "gone usr r")})
    entry, unresolved = attributes.mapped(before, entry_ids)
    assert entry.attrs == {"zimbraACE": ("ANNA usr r",)}
    assert unresolved == (("zimbraCOSId", "gone"), ("zimbraACE", "gone usr r"))


def test_what_belongs_to_the_old_server_stays_there() -> None:
    """R-022."""
    attrs = dict.fromkeys((*attributes.OF_THE_SERVER, attributes.DEFAULT_CALENDAR), ("x",))
    assert not attributes.mapped(Entry("x", kinds.ACCOUNT, "x@y", attrs), entry_ids).entry.attrs


def test_skip_aliases_leaves_out_further_addresses_and_nothing_else() -> None:
    """R-115."""
    before = Entry("x", kinds.ACCOUNT, "x@y", {"zimbraMailAlias": ("z@y",), "cn": ("X",)}, aliases=("z@y",))
    entry = attributes.mapped(before, entry_ids, skip_aliases=True).entry
    assert (entry.attrs, entry.aliases) == ({"cn": ("X",)}, ())


def folder(*grants: dict[str, str]) -> ItemState:
    return ItemState("257", kinds.FOLDER, "2", "work", attrs={"color": 3, "grants": list(grants)})


def grant(grantee: str, type_: str = "usr", rights: str = "r") -> dict[str, str]:
    return {"grantee_id": grantee, "grantee_type": type_, "grantee_name": f"{grantee}@x", "rights": rights}


def test_shares_are_with_the_same_people_at_the_destination() -> None:
    """R-103."""
    before = folder(grant("anna"), grant("list", "grp"), grant("", "pub"), grant("guest@z", "guest"))
    attrs, problems = shares.grants(before, entry_ids)
    assert [one["grantee_id"] for one in attrs["grants"]] == ["ANNA", "LIST", "", "guest@z"]
    assert attrs["color"] == 3
    assert not problems


def test_a_share_with_somebody_who_is_not_there_is_kept_and_reported() -> None:
    attrs, problems = shares.grants(folder(grant("carla")), entry_ids)
    assert attrs["grants"] == [grant("carla")]
    assert "carla@x" in problems[0]


def test_shares_of_a_folder_that_was_there_are_added_to_not_taken_away() -> None:
    """R-128."""
    merged = shares.merged_grants([grant("x"), grant("y")], [grant("y", rights="rwid"), grant("z")])
    assert merged == [grant("x"), grant("y", rights="rwid"), grant("z")]


def mountpoint(owner: str, item: str) -> ItemState:
    return ItemState("9", kinds.MOUNTPOINT, "1", "m", attrs={
        "owner_id": owner, "owner_name": f"{owner}@x", "remote_id": item, "remote_path": "/work", "color": 2,
    })


def test_a_mountpoint_leads_to_the_same_folder_of_the_same_owner() -> None:
    attrs, problems = shares.mountpoint(mountpoint("anna", "257"), entry_ids, item_ids)
    assert (attrs["owner_id"], attrs["remote_id"], attrs["color"]) == ("ANNA", "300", 2)
    assert not problems


@pytest.mark.parametrize(("owner", "item", "named"), [("carla", "257", "carla@x"), ("anna", "999", "/work")])
def test_a_mountpoint_that_leads_nowhere_is_kept_and_reported(owner: str, item: str, named: str) -> None:
    attrs, problems = shares.mountpoint(mountpoint(owner, item), entry_ids, item_ids)
    assert attrs["remote_id"] == item
    assert named in problems[0]


def test_members_of_a_group_are_the_same_contacts() -> None:
    """R-134: also those of other mailboxes."""
    group = ItemState("9", kinds.CONTACT_GROUP, "7", "team", attrs={"members": [
        {"type": "contact", "value": "257"}, {"type": "contact", "value": "bruno:258"},
        {"type": "email", "value": "257"}, {"type": "contact", "value": "259"},
    ]})
    assert shares.has_foreign_members(group, "anna")
    attrs, problems = shares.members(group, "anna", entry_ids, item_ids)
    assert [member["value"] for member in attrs["members"]] == ["300", "BRUNO:301", "257"]
    assert "'259'" in problems[0]


SCRIPT = b"""require ["fileinto", "copy"];
# fileinto "Team";
/* fileinto "Team"; */
if header :contains "Subject" "fileinto" {
  fileinto :copy "Team";
  fileinto :flags "\\\\Seen" "/Team/";
}
if anyof (true) { fileInto "Other"; keep; }
reply text:
fileinto "Team";
.
;
"""


def test_only_the_folders_of_fileinto_are_replaced() -> None:
    """R-157."""
    changed = sieve.retarget(SCRIPT, lambda name: 'A "b"' if name.strip("/") == "Team" else None)
    assert changed.count(b'"Team"') == 3
    assert b'fileinto :copy "A \\"b\\"";' in changed
    assert b'fileinto :flags "\\\\Seen" "A \\"b\\"";' in changed
    assert changed.replace(b'"A \\"b\\""', b'"Team"', 1).replace(b'"A \\"b\\""', b'"/Team/"') == SCRIPT


@given(st.binary(max_size=200) | st.text('fileinto "a;:\\\n#/*', max_size=60).map(str.encode))
def test_no_script_is_parsed_into_failure(script: bytes) -> None:
    assert sieve.retarget(script, lambda name: None) == script
    sieve.retarget(script, lambda name: "x")


@given(st.text(max_size=20))
def test_any_name_survives_quoting(name: str) -> None:
    found: list[Any] = []
    changed = sieve.retarget(b'fileinto "x";', lambda _unused: name)
    sieve.retarget(changed, found.append)
    assert found == [name]


@pytest.mark.parametrize("name", ["", "Mail"])
def test_folders_that_lie_in_each_other_have_no_path_and_do_not_hold_up_the_others(name: str) -> None:
    circle = [ItemState("257", kinds.FOLDER, "258", name), ItemState("258", kinds.FOLDER, "257", name)]
    folders = [ItemState("1", kinds.FOLDER), ItemState("2", kinds.FOLDER, "1", "Inbox"), *circle]
    assert paths_of(folders) == {"1": (), "2": ("Inbox",)}
