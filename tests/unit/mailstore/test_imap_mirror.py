# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mirror of a mail server is upgraded, and keeps what the server could not tell again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap import mirror_schema
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.intents import UNSEEN, Intent, Sent
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.mirror import Mirror
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput, Refused


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A mirror as it was made before versions were counted, with what must not be lost."""
    made = Mirror(str(tmp_path / "mirror"))
    number = made.number("anna")
    with made.database.transaction():
        made.settle(number, "import", [("one", 300)])
    made.intend(number, Intent("import", "of a message", kinds.MESSAGE, 2, "7", b"digest"))
    made.database.execute("INSERT INTO replacements VALUES (?, 400, 300)", (number,))
    made.database.execute("DELETE FROM meta WHERE key = 'mirror'")
    made.close()
    return made.path


def kept(mirror: Mirror) -> tuple[object, ...]:
    """Return what must not be lost."""
    number = mirror.number("anna")
    return (
        number, mirror.reader.token("anna"), mirror.intents(number),
        *(mirror.database.execute(f"SELECT * FROM {table}").fetchall() for table in ("imports", "replacements")),
    )


def test_a_mirror_without_a_version_is_one_of_today(path: str) -> None:
    for _unused in range(2):
        mirror = Mirror(path)
        number, _token, intents, imports, replacements = kept(mirror)
        assert intents == [("import", "of a message", kinds.MESSAGE, 2, "7", b"digest")]
        assert imports == [(1, number, "import", "one", 300)] and replacements == [(number, 400, 300)]
        assert mirror.database.execute("SELECT value FROM meta WHERE key = 'mirror'").fetchone() == (
            str(mirror_schema.version()),
        )
        mirror.close()


def test_each_version_is_upgraded_to_the_next_once(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Mirror(path).close()
    before = kept(Mirror(path))
    monkeypatch.setattr(mirror_schema, "UPGRADES", (
        *mirror_schema.UPGRADES, ("ALTER TABLE intents ADD COLUMN more TEXT",), ("CREATE TABLE further (id INTEGER)",),
    ))
    one, other = Mirror(path), Mirror(path)
    assert kept(one) == kept(other) == before
    assert one.database.execute("SELECT more FROM intents").fetchall() == [(None,)]
    assert one.database.execute("SELECT * FROM further").fetchall() == []


def test_an_upgrade_that_fails_changes_nothing(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror_schema, "UPGRADES", (("ALTER TABLE intents ADD COLUMN more TEXT", "nonsense"),))
    with pytest.raises(Exception, match="syntax error"):
        Mirror(path)
    monkeypatch.undo()
    mirror = Mirror(path)
    assert [row[1] for row in mirror.database.execute("PRAGMA table_info(intents)").fetchall()][-1] == "digest"


def test_a_mirror_of_a_newer_version_is_left_alone(path: str) -> None:
    mirror = Mirror(path)
    mirror.database.execute("UPDATE meta SET value = '99' WHERE key = 'mirror'")
    mirror.close()
    with pytest.raises(InvalidInput, match="newer version; upgrade"):
        Mirror(path)


def test_a_new_mirror_needs_no_upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Mirror(str(tmp_path / "new")).close()
    monkeypatch.setattr(mirror_schema, "UPGRADES", (("nonsense",),) * mirror_schema.version())
    Mirror(str(tmp_path / "new")).close()


def test_where_no_mirror_can_be_made_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(Refused, match="cannot be made"):
        Mirror(os.path.join(tmp_path, "a file", "mirror"))


def test_what_is_not_waited_for_is_written_all_the_same_and_the_next_is_waited_for(tmp_path: Path) -> None:
    mirror = Mirror(str(tmp_path / "mirror"))
    number = mirror.number("anna")

    def waits() -> bool:
        return mirror.database.execute("PRAGMA synchronous").fetchone() == (2,)

    assert waits()
    with mirror.changing(number, durable=False):
        assert not waits()
        mirror.settle(number, "import", [("one", 300)])
    assert waits()
    with pytest.raises(KeyError), mirror.changing(number, durable=False):
        mirror.settle(number, "import", [("other", 301)])
        raise KeyError
    assert waits()
    assert mirror.database.execute("SELECT origin FROM imports").fetchall() == [("one",)]


def test_messages_that_are_noted_together_are_read_one_by_one_and_those_not_found_stay(tmp_path: Path) -> None:
    mirror = Mirror(str(tmp_path / "mirror"))
    number = mirror.number("anna")
    sent = [Sent(7, 1000, ("\\Seen", "Läuft")), Sent(7), Sent(7, 2000)]
    mirror.intend_all(number, "import", 2, [(str(one), what, bytes([one])) for one, what in enumerate(sent)])
    intents = mirror.intents(number)
    assert [(one.import_id, one.origin, one.kind, one.folder, one.digest) for one in intents] == [
        ("import", str(one), kinds.MESSAGE, 2, bytes([one])) for one in range(3)
    ]
    assert [one.sent for one in intents] == sent
    for left in (intents[::2], intents[2:], []):
        with mirror.database.transaction():
            mirror.leave_unseen(number, left)
            mirror.settle(number, "", ())
        assert mirror.intents(number) == [one._replace(kind=UNSEEN) for one in left]
