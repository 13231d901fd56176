# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A restore that is killed at any moment and run again: everything is there once, and nothing twice.

RESTANTE_KILLS sets how many (kill_kit.py).
"""

from __future__ import annotations

import json
import random
import subprocess

from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.restore.idmap import account_directory, import_id_of
from kill_kit import KILLS, run_until
from restore_kit import World, mail
from test_folder_restore import assert_the_mountpoint_took_the_place_of_the_folder, filtered

RESTORE = """
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.restore.blobs import LocalBlobs
from ansible_collections.restante.carbonio.plugins.module_utils.restore.external import external_restore
from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import ExternalOptions
from ansible_collections.restante.carbonio.plugins.module_utils.restore.session import Sides

path, destination, concurrent = sys.argv[2], sys.argv[3], int(sys.argv[4])
sides = Sides(
    lambda: Repository.open(path + "/backup-a"), lambda: EmbeddedStore.open(path + "/" + destination), LocalBlobs,
    path + "/backup-" + destination,
)
begin()
end(external_restore(sides, ExternalOptions(skip_system_accounts=False, concurrent_accounts=concurrent)))
"""


def restore(world: World, concurrent: int = 1, die_after: int = 0) -> subprocess.CompletedProcess[str]:
    """Restore in a process of its own, of which whoever comes first to the given line of the engine is killed."""
    return run_until(RESTORE, die_after, world.path, world.destination, concurrent)


def killed(run: subprocess.CompletedProcess[str]) -> bool:
    """Tell whether the restore, or one of its workers, was killed."""
    return run.returncode != 0 or run.stdout.split()[1] != "0"


def assert_records_are_complete(world: World) -> None:
    """R-136: the map names every account, and each log every item of the import."""
    import_id = import_id_of(str(world.backup_path), world.server_id)
    assert import_id
    rows = [json.loads(line) for line in (world.backup_path / f"map_{world.server_id}").read_text().splitlines()[1:]]
    with world.b() as store:
        accounts = {entry.entry_id for entry in store.entries(kinds.ACCOUNT)}
        assert {row["destination_id"] for row in rows if row["kind"] == kinds.ACCOUNT} == accounts
        for account in accounts:
            log = world.backup_path / account_directory(account) / "id_mapper.log"
            lines = [json.loads(line) for line in log.read_text().splitlines()]
            logged = [tuple(line) for line in lines if isinstance(line, list)]
            ours = [pair for pair in store.imported(account, import_id) if not pair[0].startswith("a-")]
            assert sorted(set(logged)) == sorted(ours)


def test_a_restore_killed_again_and_again_ends_as_if_it_never_was(world: World) -> None:
    """R-129, R-018: the same items, none of them twice; maps complete; quotas as they were."""
    with world.a() as store:
        for number in range(100, 140):
            mail(store, ("a-anna", "a-bruno")[number % 2], "2", number)
    lines = int(restore(world).stdout.split()[0])
    undisturbed = world.picture()
    chance = random.Random(KILLS)
    deaths = rounds = 0
    while deaths < KILLS:
        world.new_destination(f"kill{rounds}")
        rounds += 1
        for _unused in range(chance.randrange(1, 6)):
            # A later run has less to do: what is beyond its end is a restore that was not killed.
            deaths += killed(restore(world, chance.choice((1, 1, 3)), chance.randrange(1, lines)))
        assert not killed(restore(world))
        verified = world.verify()
        assert verified.passed, verified.differences
        assert not verified.foreign
        picture = world.picture()
        assert picture["entries"] == undisturbed["entries"]
        for address, items in undisturbed["items"].items():
            assert len(picture["items"][address]) == len(items)
        assert_records_are_complete(world)
        assert not list(world.backup_path.rglob("quota_lifted"))
        assert not world.restore(skip_system_accounts=False).changed
        assert rounds < 10 * KILLS, "too few restores were killed"


def test_a_mountpoint_that_takes_the_place_of_a_folder_survives_kills(world: World) -> None:
    """R-155, R-156, R-159: no mail is lost or doubled on its way to another mailbox, and no helper is left."""
    world.restore(provisioning_only=True)
    filtered(world, b'fileinto "Anna\'s Work";')
    lines = int(restore(world).stdout.split()[0])
    assert_the_mountpoint_took_the_place_of_the_folder(world)
    chance = random.Random(KILLS)
    deaths = rounds = 0
    while deaths < KILLS // 3:
        world.new_destination(f"kill{rounds}")
        rounds += 1
        world.restore(provisioning_only=True)
        filtered(world, b'fileinto "Anna\'s Work";')
        for part in (0.6, 0.4):  # phase 3 is the last part of each run
            deaths += killed(restore(world, die_after=int(lines * (part + 0.4 * chance.random()))))
        assert not killed(restore(world))
        assert_the_mountpoint_took_the_place_of_the_folder(world)
        assert rounds < 10 * KILLS, "too few restores were killed"
