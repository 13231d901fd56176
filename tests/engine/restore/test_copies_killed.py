# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The restore of an account that is killed at any moment and run again: everything is there once, and nothing twice.

RESTANTE_KILLS sets how many (kill_kit.py).
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.restore.idmap import account_directory
from copy_kit import COPY, Server
from kill_kit import KILLS, lines_of, run_until
from restore_kit import INBOX, mail

ANNA = "anna@example.com"

RESTORE = """
from pathlib import Path
from copy_kit import Server

server, strategy = Server(Path(sys.argv[2])), sys.argv[3]
begin()
planned = server.plan_new("a-anna", undelete=True) if strategy == "new" else server.plan("a-anna")
end(server.restore(planned))
"""


def restore(server: Server, strategy: str, die_after: int = 0) -> int:
    """Restore in a process of its own that is killed at a line of the engine; return the lines, 0 for a killed one."""
    return lines_of(run_until(RESTORE, die_after, server.path, strategy))


@pytest.mark.parametrize("finished", [False, True])
def test_what_a_killed_run_has_left_half_written_goes_with_the_next(server: Server, finished: bool) -> None:
    """Also where nothing else is left to do."""
    planned = server.plan_new("a-anna")
    server.restore(planned)
    directory = Path(server.backup_path) / account_directory(server.entry(COPY).entry_id)
    if not finished:
        (directory / "restored").unlink()
    for name in ("restored.0a1b2c3d.part", "map_x.0a1b2c3d.part"):
        (directory / name).write_bytes(b"{")
    before = server.content(COPY)
    server.restore(server.plan_new("a-anna"))
    assert sorted(path.name.partition("_")[0] for path in directory.iterdir()) == ["id", "map", "restored"]
    assert server.content(COPY) == before


@pytest.mark.parametrize("strategy", ["new", "own"])
def test_a_restore_killed_again_and_again_ends_as_if_it_never_was(
    server: Server, tmp_path: Path, strategy: str
) -> None:
    """R-129: the same items, none of them twice; the source and the quota as they were."""
    with server.changed() as store:
        messages = [mail(store, "a-anna", INBOX, number) for number in range(100, 115)]
    with server.changed() as store:
        store.delete_items("a-anna", messages[::3])
    if strategy == "own":
        server.delete("a-anna")
    pristine, others = tmp_path / "pristine", server.picture()
    for part in ("store", "backup"):
        shutil.copytree(server.path / part, pristine / part)
    lines = restore(server, strategy)
    address = COPY if strategy == "new" else ANNA
    content, entry = server.content(address), server.entry(address)
    chance = random.Random(KILLS)
    deaths = rounds = 0
    while deaths < KILLS // 2:
        rounds += 1
        again = Server(tmp_path / f"killed{rounds}")
        for part in ("store", "backup"):
            shutil.copytree(pristine / part, again.path / part)
        for _unused in range(chance.randrange(1, 5)):
            # A later run has less to do: what is beyond its end is a restore that was not killed.
            deaths += not restore(again, strategy, chance.randrange(1, lines))
        assert restore(again, strategy)
        assert again.content(address) == content
        after = again.entry(address)
        assert after._replace(entry_id="") == entry._replace(entry_id="")
        assert {name: held for name, held in again.picture().items() if name != address} == {
            name: held for name, held in others.items() if name != address
        }
        directory = Path(again.backup_path) / account_directory(after.entry_id)
        names = [path.name for path in directory.iterdir()]
        assert {name.partition("_")[0] for name in names} == {"map", "id", "restored"}
        assert len(names) == 3, "nothing is left of what was being written"
        planned = again.plan_new("a-anna", undelete=True) if strategy == "new" else again.plan("a-anna")
        assert not again.restore(planned).changed
        assert rounds < 10 * KILLS, "too few restores were killed"
    assert sum(1 for one in server.states(address).values() if one.kind == kinds.MESSAGE) > 20
