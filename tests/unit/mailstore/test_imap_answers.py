# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What servers say of annotations is read as they say it, in whichever way they do."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.answers import annotations_in
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.syntax import astring, joined


def told(*response: Any) -> dict[str, str]:
    """Return the annotations that one response tells, as imaplib gives it."""
    line, = joined(response)
    return dict(annotations_in(astring(line)[1]))


def test_as_dovecot_says_it() -> None:
    assert told(
        (b"INBOX (/private/vendor/a {11}", b'{"color":3}'), (b" /shared/comment {7}", b"a\r\n(\xc3\xa4)"), b")"
    ) == {"/private/vendor/a": '{"color":3}', "/shared/comment": "a\r\n(ä)"}


def test_as_cyrus_says_it() -> None:
    assert told(
        (b'"a b" ("/Shared/Comment" "NIL" "/private/sort" NIL "/private/comment" {5}', b"\\Sent"), b' "/shared/x" "")'
    ) == {"/shared/comment": "NIL", "/private/comment": "\\Sent", "/shared/x": ""}


def test_what_is_no_text_is_left_out() -> None:
    assert told((b"INBOX (/private/a {2}", b"\xff\xfe"), b" /private/b x)") == {"/private/b": "x"}


def test_names_without_values_tell_nothing() -> None:
    assert told(b"INBOX /shared/comment /private/comment") == {}


def test_a_string_without_an_end_is_none() -> None:
    with pytest.raises(ValueError, match="without an end"):
        told(b'INBOX (/private/a "b)')
