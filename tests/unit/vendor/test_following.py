# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Operations of the vendor's, followed to their end: running, ended in each of five ways, vanished, unreachable."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged, NotFound, Unavailable
from ansible_collections.restante.carbonio.plugins.module_utils.operations.progress import Silent
from ansible_collections.restante.carbonio.plugins.module_utils.vendor.fields import Report, ends
from ansible_collections.restante.carbonio.plugins.module_utils.vendor.following import (
    Carbonio,
    End,
    failure,
    follow,
)
from ansible_collections.restante.carbonio.plugins.module_utils.vendor.words import Command
from scripted import Script, Scripted

ID = "8d4ab1f1-33d6-4a1c-9a5e-0b7a3f7d5a11"
RESTORE = Command(("backup", "doExternalRestore", "/srv/old"))
MONITOR, ALL, LOG = f"backup monitor {ID}", "backup getAllOperations", "core getOperationLog"


class Told(Silent):
    """A Progress that remembers what it was told, and is stopped after so many looks."""

    def __init__(self, stopped_after: int = 10**9) -> None:
        self.said: list[tuple[str, int]] = []
        self._left = stopped_after

    def phase(self, name: str, items: int = 0, bytes_: int = 0) -> None:
        self.said.append((name, items))

    def advance(self, items: int = 0, bytes_: int = 0) -> None:
        if items:
            self.said.append(("", items))

    def stopping(self) -> bool:
        self._left -= 1
        return self._left < 0


class Clock:
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)


def followed(script: Script, progress: Told | None = None) -> tuple[End, Scripted]:
    carbonio, clock = Scripted(script), Clock()
    end = follow(Carbonio(carbonio), "backup", ID, progress or Told(), clock.pause, lambda: clock.now)
    return end, carbonio


@pytest.mark.parametrize("state", ["successful", "failed", "stopped", "interrupted"])
def test_an_operation_that_is_not_listed_any_more_has_ended_as_its_log_says(state: str) -> None:
    end, carbonio = followed({
        MONITOR: ["progress", "progress", "monitor of what has ended"], ALL: ["it runs", "it runs", "nothing runs"],
        LOG: f"log {state}",
    })
    assert end.state == state
    assert carbonio.commands.count(LOG) == 1


def test_what_was_seen_of_it_is_told_as_progress() -> None:
    told = Told()
    followed({
        MONITOR: ["progress", "later progress", "monitor of what has ended"],
        ALL: ["it runs", "it runs", "nothing runs"], LOG: "log successful",
    }, told)
    assert told.said == [("Current Pass (Digest Prefix)", 64), ("", 3), ("", 6)]


def test_it_is_stopped_once_and_followed_until_it_has() -> None:
    end, carbonio = followed({
        MONITOR: ["progress", "progress", "progress", "monitor of what has ended"],
        ALL: ["it runs", "it runs", "it runs", "nothing runs"], LOG: "log stopped", "backup doStopOperation": "ok",
    }, Told(stopped_after=1))
    assert end.state == "stopped"
    assert carbonio.commands.count(f"backup doStopOperation {ID}") == 1


def test_one_of_which_there_is_no_trace_has_vanished() -> None:
    with pytest.raises(Unavailable, match=f"The operation {ID} has vanished"):
        followed({MONITOR: "monitor of what has ended", ALL: "nothing runs", LOG: "log without it"})


def test_one_that_shows_up_again_has_not_vanished() -> None:
    end, _carbonio = followed({
        MONITOR: "monitor of what has ended", ALL: ["nothing runs", "nothing runs", "it runs", "nothing runs"],
        LOG: ["log without it", "log without it", "log successful"],
    })
    assert end.state == "successful"


def test_a_server_that_comes_back_goes_on_being_asked() -> None:
    end, _carbonio = followed({
        MONITOR: [*["server down"] * 30, "monitor of what has ended"], ALL: "nothing runs", LOG: "log successful",
    })
    assert end.state == "successful"


def test_a_server_that_does_not_come_back_is_given_up() -> None:
    with pytest.raises(Unavailable, match="Unable to communicate"):
        followed({MONITOR: "server down"})


def test_a_hang_of_the_command_is_borne_as_a_server_that_is_down() -> None:
    with pytest.raises(Unavailable, match="has not ended within"):
        followed({MONITOR: Unavailable("/opt/zextras/bin/carbonio has not ended within 300 s.")})


@pytest.mark.parametrize("answer", ["garbage", "truncated", "silent"])
def test_an_answer_that_cannot_be_read_ends_the_following(answer: str) -> None:
    with pytest.raises(Damaged):
        followed({MONITOR: answer})


def test_a_command_that_is_gone_ends_the_following() -> None:
    missing = NotFound("/opt/zextras/bin/carbonio does not exist on this node.")
    with pytest.raises(NotFound):
        followed({MONITOR: missing, ALL: missing})


def test_looks_become_rarer() -> None:
    clock = Clock()
    script: Script = {
        MONITOR: [*["progress"] * 20, "monitor of what has ended"], ALL: [*["it runs"] * 20, "nothing runs"],
        LOG: "log successful",
    }
    follow(Carbonio(Scripted(script)), "backup", ID, Told(), clock.pause, lambda: clock.now)
    assert clock.pauses == sorted(clock.pauses) and clock.pauses[0] < 1 and clock.pauses[-1] == 5


def test_the_error_of_a_failed_operation_has_the_vendors_words() -> None:
    end, _carbonio = followed({MONITOR: "monitor of what has ended", ALL: "nothing runs", LOG: "log failed"})
    sentence = str(failure(RESTORE, ID, end))
    assert sentence.startswith(f"The operation {ID} of carbonio backup doExternalRestore /srv/old has ended as failed")
    assert "saying: Unable to read the source path /srv/old." in sentence


# -- its report --------------------------------------------------------------------------------------------------------


def report(script: Script) -> Report | None:
    return Carbonio(Scripted(script)).report(["41"], lambda seconds: None)


def test_the_report_is_that_of_the_last_end_since() -> None:
    found = report({
        "core getNotification": "notifications after", "core getNotification id 43": "notification with a report",
    })
    assert found is not None and found.counts["restored"] == 15233


def test_a_report_that_comes_late_is_waited_for() -> None:
    found = report({
        "core getNotification": ["notifications before", "notifications after"],
        "core getNotification id 43": "notification of a repeated restore",
    })
    assert found is not None


def test_where_no_title_tells_an_end_all_are_looked_at() -> None:
    script = {
        "core getNotification": "notifications without titles", "core getNotification id 42": "notification of a start",
        "core getNotification id 43": "notification with a report",
    }
    assert report(script) is not None


@pytest.mark.parametrize(("dates", "order"), [
    (["28/03/2026 09:00:00", "28/03/2026 10:00:00"], ["2", "1"]),
    (["28/03/2026 10:00:00", "28/03/2026 09:00:00"], ["1", "2"]),  # the newest is listed first
    ([1774683000000, 1774683600000], ["2", "1"]),
    (["yesterday", "today"], ["2", "1"]),
])
def test_ends_are_in_the_order_of_their_dates(dates: list[Any], order: list[str]) -> None:
    rows = [{"id": number, "subject": "Operation Ended", "date": date} for number, date in enumerate(dates, 1)]
    assert ends(rows) == order


def test_no_report_is_none() -> None:
    assert report({"core getNotification": "notifications before"}) is None


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_a_command_with_a_secret_is_told_on_standard_input_alone() -> None:
    carbonio = Scripted({"core doCreateBucket": "bucket created"})
    command = Command(("core", "doCreateBucket", "S3", "b", "K", "s3cret"), frozenset(["s3cret"]))
    Carbonio(carbonio).ask(command)
    assert carbonio.told == ["core doCreateBucket S3 b K s3cret\n"]
