# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model import moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput
from hypothesis import given
from hypothesis import strategies as st

MS_OF_2023_03_28 = int(datetime(2023, 3, 28, 7, 29, 49, tzinfo=timezone.utc).timestamp() * 1000)


def test_the_vendors_form_is_read_in_the_named_zone():
    """R-299; the instant is the mission's own example."""
    assert moment.parse("28/03/2023 09:29:49", "Europe/Rome") == MS_OF_2023_03_28


@pytest.mark.parametrize(
    "text",
    [
        "2023-03-28T09:29:49+02:00",
        "2023-03-28T07:29:49Z",
        "2023-03-28 07:29:49 z",
        "2023-03-28T09:29:49.000+0200",
        "2023-03-28T09:29:49,0+02",
        " 2023-03-28T05:29:49-02:00 ",
    ],
)
def test_iso_8601_with_an_offset_needs_no_zone(text):
    assert moment.parse(text, "Pacific/Auckland") == MS_OF_2023_03_28


def test_a_date_alone_is_its_midnight():
    assert moment.parse("2023-03-28", "UTC") == moment.parse("28/03/2023 00:00:00", "UTC")


def test_summer_time_of_the_day_itself_counts():
    winter = moment.parse("28/01/2023 12:00:00", "Europe/Rome")
    summer = moment.parse("28/07/2023 12:00:00", "Europe/Rome")
    assert moment.iso(winter).startswith("2023-01-28T11:00:00")
    assert moment.iso(summer).startswith("2023-07-28T10:00:00")


@pytest.mark.parametrize("text", ["first", "LAST", " Last "])
def test_the_words_are_accepted_in_any_case(text):
    assert moment.parse(text) == text.strip().lower()


@pytest.mark.parametrize(
    "text",
    [
        "", "yesterday", "31/02/2023 10:00:00", "28-03-2023", "2023-13-01", "28/03/2023", "2023-03-28T25:00:00",
        "2023-03-28T09:29:49+99:00", "28/03/2023 09:29:49\nrm -rf /", "١٢/٠٣/٢٠٢٣ 09:29:49", "0000-01-01",
    ],
)
def test_what_is_no_date_gets_a_sentence(text):
    with pytest.raises(InvalidInput, match="."):
        moment.parse(text, "UTC")


def test_an_unknown_zone_gets_a_sentence():
    with pytest.raises(InvalidInput, match="Europe/Rome"):
        moment.parse("28/03/2023 09:29:49", "../../etc/passwd")


@given(st.integers(min_value=0, max_value=4_102_444_800_000))
def test_iso_and_back_is_the_same_moment(value):
    assert moment.parse(moment.iso(value)) == value


@given(st.integers(min_value=0, max_value=4_102_444_800), st.sampled_from(["UTC", "Asia/Kathmandu", "Asia/Tokyo"]))
def test_the_vendors_form_and_back_is_the_same_second(seconds, zone):
    """Zones without a repeated hour: where clocks go back, one text stands for two moments."""
    assert moment.parse(moment.vendor(seconds * 1000, zone), zone) == seconds * 1000


@given(st.text())
def test_no_text_gives_a_traceback(text):
    try:
        moment.parse(text, "UTC")
    except InvalidInput:
        pass
