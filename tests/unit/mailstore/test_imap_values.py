# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a message becomes on its way to a mail server, held against the plain way to say it."""

from __future__ import annotations

import datetime
import imaplib
import re

from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap import held, syntax
from hypothesis import given
from hypothesis import strategies as st

_FIRST = -62_135_596_800
_LAST = 253_402_300_799
_ENDS = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"x", b"\0", b"\xe9"]), max_size=12).map(b"".join)


@given(_ENDS)
def test_lines_end_as_those_of_mail(content: bytes) -> None:
    wanted = re.sub(rb"\r?\n", b"\r\n", content)
    assert held.blob(content) == (wanted[:-1] if wanted.endswith(b"\r") else wanted)


@given(st.integers(_FIRST, _LAST))
def test_a_date_is_read_as_it_was_written(second: int) -> None:
    assert syntax.milliseconds(f'"{syntax.internal_date(second * 1000)}"'.encode()) == second * 1000


@given(st.integers(1_000_000, 4_000_000_000))
def test_a_date_is_written_as_the_library_has_it(second: int) -> None:
    moment = datetime.datetime.fromtimestamp(second, tz=datetime.timezone.utc)
    written = imaplib.Time2Internaldate(moment).replace('"0', '" ')  # a day of one digit, which may be either
    assert f'"{syntax.internal_date(second * 1000 + 999)}"' == written
