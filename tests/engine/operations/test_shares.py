# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shares between accounts that came in one after the other: found broken, and mended by the import's map."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.cli.main import main
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import MailStore, NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged, NotFound
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import ExternalOptions
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import backups, recovery, share_repair
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.call import Call
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import Settings

ANN, BEN = "ann@example.com", "ben@example.com"
CARD = b"BEGIN:VCARD\r\nFN:C\r\nEND:VCARD\r\n"


def new_node(root: Path, prefix: str) -> Node:
    """Make a node with two accounts whose ids begin so."""
    places = ("backup_path", "cache_path", "state_path", "mailstore_path")
    settings_file.save(str(root / "restante.json"), Settings(**{place: str(root / place) for place in places}))
    with contextlib.closing(EmbeddedStore.create(str(root / "mailstore_path"))) as store:
        store.create_entry(Entry(f"{prefix}-d", kinds.DOMAIN, "example.com"))
        for address in (ANN, BEN):
            store.create_entry(Entry(f"{prefix}-{address}", kinds.ACCOUNT, address))
    return Node.load(str(root / "restante.json"))


def add(
    store: MailStore, account: str, kind: str, name: str, folder: str, blob: bytes | None = None, **attrs: Any
) -> str:
    """Add an item; return its id."""
    written, = store.write_items(account, [NewItem("", ItemState("", kind, folder, name, attrs=attrs), blob)])
    return written.item_id


def find(node: Node, prefix: str, address: str, kind: str, name: str) -> ItemState:
    """Return an item of an account by its name."""
    with contextlib.closing(node.store()) as store:
        found = [
            state for state in store.changes(f"{prefix}-{address}").items if (state.kind, state.name) == (kind, name)
        ]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node to which Ben was imported before Ann, whose folder and contact he uses; her folder is shared with him."""
    source = new_node(tmp_path / "a", "a")
    with contextlib.closing(source.store()) as store:
        for number in range(3):  # so that no item keeps its id
            store.delete_items(f"a-{ANN}", [add(store, f"a-{ANN}", kinds.TAG, f"gone {number}", "")])
        grants = [{"grantee_id": f"a-{BEN}", "grantee_type": "usr", "grantee_name": BEN, "rights": "r"}]
        shared = add(store, f"a-{ANN}", kinds.FOLDER, "Projects", "1", grants=grants)
        card = add(store, f"a-{ANN}", kinds.CONTACT, "", "7", CARD)
        add(
            store, f"a-{BEN}", kinds.MOUNTPOINT, "Ann's", "1",
            owner_id=f"a-{ANN}", owner_name=ANN, remote_id=shared, remote_path="/Projects",
        )
        add(store, f"a-{BEN}", kinds.CONTACT_GROUP, "friends", "7", CARD, members=[
            {"type": "contact", "value": f"a-{ANN}:{card}"}, {"type": "email", "value": "x@example.net"},
        ])
    backups.smart_scan(source)
    node = new_node(tmp_path / "b", "b")
    for address in (BEN, ANN):
        recovery.restore(node, source.settings.backup_path, ExternalOptions(accounts=(address,)))
    return node


def map_of(node: Node) -> str:
    """Return the map of the import."""
    path, = Path(node.settings.backup_path).glob("map_*")
    return str(path)


def module(node: Node, check_mode: bool = False, map_file: str = "") -> dict[str, Any]:
    """Call the module share_fix."""
    arguments = {"config_file": node.config_file, "import_idmap_file": map_file or map_of(node)}
    return share_repair.answer(Call(arguments, check_mode))


def break_shares(node: Node) -> None:
    """Give the shares of the node the ids that they have at the source."""
    friends = find(node, "b", BEN, kinds.CONTACT_GROUP, "friends")
    with contextlib.closing(node.store()) as store, contextlib.closing(node.repository(
        str(Path(node.config_file).parent.parent / "a" / "backup_path")
    )) as source:
        for address in (ANN, BEN):
            for found in source.states(f"a-{address}", kinds=(kinds.FOLDER, kinds.MOUNTPOINT, kinds.CONTACT_GROUP)):
                state = found.state
                if isinstance(state, ItemState) and state.name in ("Projects", "Ann's", "friends"):
                    present = next(
                        one for one in store.changes(f"b-{address}").items
                        if (one.kind, one.name) == (state.kind, state.name)
                    )
                    store.update_item(f"b-{address}", present._replace(attrs=state.attrs))
    assert find(node, "b", BEN, kinds.CONTACT_GROUP, "friends") != friends


def test_shares_that_are_whole_are_no_problem(node: Node) -> None:
    """A restore that is run again corrects what it had to leave as it was before."""
    assert [one["name"] for one in share_repair.check(node)["problems"]] == ["Ann's"]
    recovery.restore(node, str(Path(node.config_file).parent.parent / "a" / "backup_path"), ExternalOptions())
    assert share_repair.check(node) == {"problems": [], "accounts": 0}
    assert not module(node, check_mode=True)["changed"]
    assert not module(node)["changed"]


def test_broken_shares_are_listed(node: Node) -> None:
    """R-316."""
    break_shares(node)
    told = share_repair.check(node)
    assert told["accounts"] == 2
    assert {(one["account"], one["kind"], one["name"]) for one in told["problems"]} == {
        (ANN, "folder", "Projects"), (BEN, "mountpoint", "Ann's"), (BEN, "contact_group", "friends"),
    }
    assert not any(one["repaired"] for one in told["problems"])
    assert all("not here" in one["problem"] for one in told["problems"])


def test_broken_shares_are_mended_and_only_once(node: Node) -> None:
    """R-317: grants, mountpoints and members of contact groups."""
    whole = [
        find(node, "b", address, kind, name)
        for address, kind, name in (
            (ANN, kinds.FOLDER, "Projects"), (BEN, kinds.MOUNTPOINT, "Ann's"), (BEN, kinds.CONTACT_GROUP, "friends"),
        )
    ]
    break_shares(node)
    foretold = module(node, check_mode=True)
    assert foretold["changed"] and all(one["repaired"] for one in foretold["problems"])
    assert len(share_repair.check(node)["problems"]) == 3
    done = module(node)
    assert done["restored"] == {"folder": 1, "mountpoint": 1, "contact_group": 1} and done["unrestored_items"] == []
    assert share_repair.check(node)["problems"] == []
    projects, mountpoint, friends = (
        find(node, "b", one_address, one.kind, one.name) for one, one_address in zip(whole, (ANN, BEN, BEN))
    )
    assert [grant["grantee_id"] for grant in projects.attrs["grants"]] == [f"b-{BEN}"]
    assert (mountpoint.attrs["owner_id"], mountpoint.attrs["remote_id"]) == (f"b-{ANN}", projects.item_id)
    owner, _unused, contact = friends.attrs["members"][0]["value"].partition(":")
    with contextlib.closing(node.store()) as store:
        assert owner == f"b-{ANN}" and store.read_blob(owner, contact) == CARD
    assert friends.attrs["members"][1] == {"type": "email", "value": "x@example.net"}
    for check_mode in (True, False):
        assert not module(node, check_mode)["changed"]


def test_what_the_import_does_not_know_is_found_by_name_and_path(node: Node) -> None:
    with contextlib.closing(node.store()) as store:
        folder = add(store, f"b-{ANN}", kinds.FOLDER, "Plans", "1", grants=[
            {"grantee_id": "elsewhere", "grantee_type": "usr", "grantee_name": BEN, "rights": "r"},
        ])
        add(
            store, f"b-{BEN}", kinds.MOUNTPOINT, "Plans", "1",
            owner_id="elsewhere too", owner_name=ANN, remote_id="9999", remote_path="/plans/",
        )
    module(node)
    mountpoint = find(node, "b", BEN, kinds.MOUNTPOINT, "Plans")
    assert (mountpoint.attrs["owner_id"], mountpoint.attrs["remote_id"]) == (f"b-{ANN}", folder)


def test_what_cannot_be_mended_is_left_and_reported(node: Node) -> None:
    with contextlib.closing(node.store()) as store:
        private = add(store, f"b-{ANN}", kinds.FOLDER, "Private", "1")
        for name, owner, folder in (
            ("not shared", f"b-{ANN}", private), ("no folder", f"b-{ANN}", "9999"), ("nobody", "x", "2"),
        ):
            add(store, f"b-{BEN}", kinds.MOUNTPOINT, name, "1", owner_id=owner, remote_id=folder)
    break_shares(node)
    done = module(node)
    reasons = {one["reason"] for one in done["unrestored_items"]}
    assert reasons == {
        f"It leads to a folder of {ANN} that is not shared with this account.",
        f"It leads to a folder of {ANN} that is not there (9999).",
        "It leads to x, under an id that is not here.",
    }
    assert done["stats"].count("account: ben@example.com") == 1
    assert not module(node)["changed"]


@pytest.mark.parametrize(("type_", "grantee"), [
    ("usr", f"b-{BEN}"), ("grp", "l"), ("grp", "outer"), ("dom", "b-d"), ("all", ""), ("pub", ""),
])
def test_a_folder_is_shared_in_all_ways_and_with_what_lies_in_it(node: Node, type_: str, grantee: str) -> None:
    with contextlib.closing(node.store()) as store:
        store.create_entry(Entry("l", kinds.DISTRIBUTION_LIST, "team@example.com", members=(BEN,)))
        store.create_entry(Entry("outer", kinds.DISTRIBUTION_LIST, "all@example.com", members=("team@example.com",)))
        above = add(store, f"b-{ANN}", kinds.FOLDER, "Above", "1", grants=[
            {"grantee_id": grantee, "grantee_type": type_, "rights": "r"},
        ])
        below = add(store, f"b-{ANN}", kinds.FOLDER, "Below", above)
        add(store, f"b-{BEN}", kinds.MOUNTPOINT, "here", "1", owner_id=f"b-{ANN}", remote_id=below)
    assert [one for one in share_repair.check(node)["problems"] if one["name"] == "here"] == []


def test_a_file_that_is_no_map_is_named(node: Node, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    with pytest.raises((Damaged, NotFound), match="letter"):
        module(node, map_file=str(tmp_path / "letter"))
    with pytest.raises(NotFound, match="nowhere"):
        module(node, map_file=str(tmp_path / "nowhere"))


def test_the_commands_do_the_same(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    """R-316, R-317."""
    def typed(*words: str) -> Any:
        assert main(["--config-file", node.config_file, "--json", "backup", *words]) == 0
        return json.loads(capsys.readouterr().out)

    break_shares(node)
    assert len(typed("doCheckShares", "start")["problems"]) == 3
    assert typed("doFixShares", map_of(node), "--sync")["restored"]["mountpoint"] == 1
    assert typed("doCheckShares", "start")["problems"] == []
