# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A second writer with a copied configuration: a server and its clone, which scan, purge and check at the same time.

One of them wins the bucket. The other one is told, changes nothing there, and keeps all that is its own.
"""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import RestanteError
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import backups, care, coherency

from tests.engine.restore.restore_kit import mail
from tests.servers.faulty_proxy import UNCONDITIONAL

from .crashes import Finding
from .s3_layer import FOR_GOOD, KINDS, NO_MISHAP, ONCE, Mishap
from .s3_trials import DEADLINE, impatient
from .s3_worlds import S3World
from .working import in_child
from .worlds import ANNA, INBOX, Broken, remove, told

NAME: Final = "a cloned server"
ROUNDS: Final = 2
FORGETFUL: Final = Mishap(1, UNCONDITIONAL, FOR_GOOD)
"""The store ignores the condition under which commits are written, from some time on."""


def some_mishap(chance: random.Random) -> Mishap:
    """Choose what else may happen meanwhile: often nothing."""
    once = [Mishap(chance.randrange(1, 20), fault) for fault, times in KINDS if times == ONCE and "kill" not in fault]
    return chance.choice((NO_MISHAP, FORGETFUL, chance.choice(once)))


def rival(world: S3World, scratch: Path, mishap: Mishap, seed: int) -> Iterator[Finding]:
    """Let a copy of a world's node and its clone write to one bucket, and yield what is wrong."""
    first, chance = world.copy(scratch / "first"), random.Random(seed)
    shutil.copytree(first.path, scratch / "clone")
    clone = S3World(scratch / "clone", first.layer)
    clone.moved_from(first.path)
    clone.prefix = first.prefix
    both = [first, clone]
    try:
        refused = [0, 0]
        for number in range(ROUNDS):
            for place, one in enumerate(both):
                _change(one, 200 + 20 * number + 10 * place, chance)
            steps = [chance.choice((_nothing, _nothing, _purge, _check)) for _unused in both]
            for place, sentence in enumerate(_at_once(both, steps, mishap, seed)):
                refused[place] += "another" in sentence
            if mishap != FORGETFUL:
                _look(both)
        for place, sentence in enumerate(_at_once(both, [_nothing, _nothing], NO_MISHAP, seed)):
            refused[place] += "another" in sentence
        if not any(refused):
            raise Broken("Two have written to one bucket, and none was told.")
        if mishap != FORGETFUL:
            _look(both)
            if all(refused):
                raise Broken("Both were refused, also the one that has the bucket.")
    except Broken as error:
        yield Finding(NAME, f"{mishap}, seed {seed}", str(error))
    except Exception as error:  # what is left cannot even be looked at
        yield Finding(NAME, f"{mishap}, seed {seed}", f"{type(error).__name__}: {error}")
    finally:
        remove(clone.path)
        remove(first.path)


def _change(world: S3World, number: int, chance: random.Random) -> None:
    with world.store("a") as store:
        for one in range(chance.randrange(1, 4)):
            mail(store, ANNA, INBOX, number + one)


def _scan(world: S3World) -> str:
    return "\n".join(backups.smart_scan(world.node("a"))["warnings"])


def _nothing(_world: S3World) -> str:
    return ""


def _purge(world: S3World) -> str:
    return "\n".join(care.purge(world.node("a"))["warnings"])


def _check(world: S3World) -> str:
    options = coherency.Options(fix=True, archive="contents")
    return str(coherency.check(world.node("a"), options, fail_on_damage=False)["stats"])


def _at_once(
    worlds: list[S3World], steps: list[Callable[[S3World], str]], mishap: Mishap, seed: int
) -> list[str]:
    """Scan in each world at the same time, and do something else; return what each tells.

    :raises Broken: what no work may end with.
    """
    between = "\0"

    def work() -> str:
        tells = [""] * len(worlds)

        def one(place: int) -> None:
            for step in (_scan, steps[place]):
                try:
                    tells[place] += step(worlds[place])
                except RestanteError as error:
                    tells[place] += str(error)
                except Exception as error:
                    tells[place] += f"BROKEN {error!r}"

        threads = [threading.Thread(target=one, args=(place,)) for place in range(len(worlds))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return between.join(tells)

    layer = worlds[0].layer
    ended = in_child(work, lambda group: layer.plan(mishap, group, seed), impatient, DEADLINE)
    layer.plan(NO_MISHAP)
    if ended.broken or ended.refused or "BROKEN" in ended.told:
        raise Broken(ended.broken or ended.refused or ended.told)
    return ended.told.split(between)


def _look(both: list[S3World]) -> None:
    """The bucket has the commits of one of the two and no others, all whole; each has all that is its own."""
    both[0].down()
    [archive] = [claim.parent for claim in both[0].archive.rglob("format.json") if "commits" in {
        path.name for path in claim.parent.iterdir()
    }]
    both[0].check_archived(archive)
    there = {path.name: path.read_bytes() for path in (archive / "commits").iterdir()}
    owners = [
        one for one in both
        if all((one.path / "a" / "backup" / "commits" / name).read_bytes() == data for name, data in there.items()
               if (one.path / "a" / "backup" / "commits" / name).exists())
        and all((one.path / "a" / "backup" / "commits" / name).exists() for name in there)
    ]
    if len(owners) < 1:
        raise Broken("The bucket has commits of both.")
    for one in both:
        _check_own(one)


def _check_own(world: S3World) -> None:
    """Look at the Backup Path of a node. :raises Broken: it is not whole, or lacks what was scanned."""
    said = told(world.path / "a" / "backup")
    with world.store("a") as store:
        lacking = {one.item_id for one in store.changes(ANNA).items} - set(said[ANNA])
    if lacking:
        raise Broken(f"{world.path.name}: what was scanned is gone from its backup: {sorted(lacking)}")
