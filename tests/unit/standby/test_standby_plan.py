# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plans of a standby: what changes its place or its name does so in an order that a mail server allows."""

from __future__ import annotations

from ansible_collections.restante.carbonio.plugins.module_utils.ledger.standby import Copy, Known
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.standby import plan

ROOT = ItemState("1", kinds.FOLDER)


def folder(item_id: str, parent: str, name: str) -> ItemState:
    return ItemState(item_id, kinds.FOLDER, parent, name)


def steps(
    wanted: list[ItemState], here: list[ItemState], copies: dict[str, str], gone: tuple[str, ...] = ()
) -> list[str]:
    """Plan with what is here, and say what is done; copies are the standby's own, by id at the primary."""
    known = [Copy("1", "1", kinds.FOLDER, own=False)]
    known += [Copy(origin, item, kinds.FOLDER, own=True) for origin, item in copies.items()]
    made = plan.named(wanted, [one for one in known if one.origin in gone], {one.item_id: one for one in (ROOT, *here)},
                      known)
    return [str(step) for step in (*made.steps, *made.deletions)]


def test_two_that_exchange_their_names() -> None:
    here = [folder("10", "1", "a"), folder("11", "1", "b")]
    done = steps([folder("x", "1", "b"), folder("y", "1", "a")], here, {"x": "10", "y": "11"})
    assert done == [
        "put aside folder y 'b (standby)'", "update folder x 'b'", "update folder y 'a'",
    ]


def test_one_that_comes_to_lie_in_what_lay_in_it() -> None:
    here = [folder("10", "1", "outer"), folder("11", "10", "inner")]
    done = steps([folder("out", "in", "outer"), folder("in", "1", "inner")], here, {"out": "10", "in": "11"})
    assert done == ["update folder in 'inner'", "update folder out 'outer'"]


def test_one_that_is_not_changed_itself_may_be_what_another_is_moved_into() -> None:
    """X has Q, which has P: Q goes to the root, and X into P."""
    here = [folder("10", "1", "X"), folder("11", "10", "Q"), folder("12", "11", "P")]
    done = steps([folder("x", "p", "X"), folder("q", "1", "Q")], here, {"x": "10", "q": "11", "p": "12"})
    assert done == ["update folder q 'Q'", "update folder x 'X'"]


def test_a_new_one_with_the_name_of_one_that_goes() -> None:
    here = [folder("10", "1", "a"), folder("11", "10", "below")]
    done = steps([folder("new", "1", "a")], here, {"old": "10", "under": "11"}, ("old", "under"))
    assert done == [
        "put aside folder old 'a (standby)'", "create folder new 'a'", "delete folder under 'below'",
        "delete folder old 'a'",
    ]


def test_what_was_here_is_adopted_and_never_deleted() -> None:
    assert steps([folder("new", "1", "a")], [folder("10", "1", "a")], {}) == ["adopt folder new 'a'"]
    made = plan.named([], [Copy("new", "10", kinds.FOLDER, own=False)], {"10": folder("10", "1", "a")}, [])
    assert [step.action for step in made.deletions] == [plan.KEEP]


def test_one_whose_folder_is_not_here_is_left() -> None:
    assert steps([folder("new", "lost", "a")], [], {}) == [
        "leave folder new 'a': Its folder lost is not on the standby."
    ]


def test_a_folder_in_itself_costs_only_itself() -> None:
    done = steps([folder("x", "y", "x"), folder("y", "x", "y"), folder("z", "1", "z")], [], {})
    assert [step.split()[0] for step in done].count("create") == 1


def test_addresses_that_change_hands_are_free_in_between() -> None:
    anna, bruno = (Entry(f"{name}-0000", kinds.ACCOUNT, f"{name}@example.com") for name in ("anna", "bruno"))
    here = {one.entry_id: one for one in (anna, bruno)}
    released = plan.to_release([anna._replace(name=bruno.name), bruno._replace(name=anna.name)], here)
    assert {one.entry_id: one.name for one in released} == {
        "anna-0000": "anna.restante-anna-000@example.com", "bruno-0000": "bruno.restante-bruno-00@example.com",
    }
    assert not plan.to_release([anna._replace(name="new@example.com")], here)


def test_what_the_mail_server_has_given_an_entry_stays() -> None:
    was = Entry("a", kinds.ACCOUNT, "a@example.com", {"displayName": ("A",), "old": ("1",)}, aliases=("x@example.com",))
    wanted = was._replace(attrs={"displayName": ("B",)}, aliases=("y@example.com",))
    here = was._replace(aliases=("x@example.com", "own@example.com"))
    assert plan.attributes(wanted, was).attrs == {"displayName": ("B",), "old": ()}
    assert plan.shaped(wanted, was, here).aliases == ("y@example.com", "own@example.com")
    assert plan.shaped(wanted, wanted, wanted) is wanted


def test_domains_go_last_and_accounts_before_others_come() -> None:
    gone = [
        Known("d", kinds.DOMAIN, "d.example", "d", True, None),
        Known("a", kinds.ACCOUNT, "a@d.example", "a", True, None),
        Known("c", kinds.COS, "c", "c", False, None),
    ]
    made = plan.directory([Entry("n", kinds.ACCOUNT, "a@n.example"), Entry("e", kinds.DOMAIN, "n.example")], gone)
    assert [str(step) for step in made.first] == ["delete account a@d.example"]
    assert [step.entry.name for step in made.then] == ["n.example", "a@n.example"]
    assert [str(step) for step in made.last] == ["keep cos c", "delete domain d.example"]
