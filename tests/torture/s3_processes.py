# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The real command line against a real radosgw, both killed at random for a given time; then all of it is compared.

    python -m tests.torture.s3_processes [--seconds 300] [--seed N]

A mailbox changes, and commands scan it, purge and check its backup, and bring that to another node. Each may be killed
at any moment with all its processes; the gateway may be killed and started again; requests may meet a mishap. After
each command what is in the Backup Path and in the bucket is looked at. At the end everything is done undisturbed, and
an empty node gets it all from the bucket.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import recovery

from tests.engine.restore.restore_kit import mail
from tests.servers.radosgw import Radosgw, missing, mortal_radosgw

from .commandline import parser
from .crashes import difference
from .s3_layer import KINDS, NO_MISHAP, ONCE, Mishap, s3_layer
from .s3_worlds import LABEL, S3World
from .worlds import ANNA, ARCHIVE, INBOX, Broken

CLI: Final = "ansible_collections.restante.carbonio.plugins.module_utils.cli.main"
DEADLINE: Final = 120.0
"""Seconds in which any command has ended."""
TO_BE_REPORTED: Final = ("Traceback", "This is a fault in restante.carbonio")
RETRIEVED: Final = "b/retrieved"
"""What S3World.histories() calls the restore directory."""
MARK: Final = "RESTANTE_TORTURE"
"""The environment variable by which all processes of a command are found."""
AWAY: Final = 3.0
"""Seconds that the gateway is away at most."""

SCAN: Final = ("a", "backup", "doSmartScan", "start")
PURGE: Final = ("a", "backup", "doPurge")
RETRIEVE: Final = (
    "b", "backup", "retrieveMetadataFromArchive", "S3", "{retrieved}", "bucket_configuration_id", "{bucket}",
)
RESTORE: Final = (
    "b", "backup", "doExternalRestore", "{retrieved}", "blobs_archive", "{bucket}", "skip_system_accounts", "false",
)
CHECK: Final = ("a", "backup", "doCoherencyCheck", "{backup}", "archive", "contents")
COMMANDS: Final = (SCAN, SCAN, SCAN, PURGE, RETRIEVE, RESTORE, RESTORE, CHECK)


class Story:
    """What happens in the given time."""

    def __init__(self, world: S3World, server: Radosgw, chance: random.Random) -> None:
        self.tried: Counter[str] = Counter()
        self._world = world
        self._server = server
        self._chance = chance
        self._number = 100
        self._before = world.histories()
        self._purged = False
        """Whether there was a purge since the last retrieval, or before it one that the archive did not know yet."""
        self._behind = False
        """Whether the archive may not know yet what a purge has taken out, that was cut off or could not upload it."""

    # -- what happens ----------------------------------------------------------------------------------------------

    def go_on(self) -> None:
        """Let one thing happen, and look at everything. :raises Broken: what is wrong."""
        self._change()
        command = self._chance.choice(COMMANDS)
        if command == RESTORE and not (self._world.retrieved / "commits").exists():
            command = RETRIEVE
        trouble = self._chance.choice(("killed", "killed", "killed", "gateway killed", "mishap", "none"))
        mishap = NO_MISHAP
        if trouble == "mishap":
            fault, _times = self._chance.choice(KINDS[2:])
            mishap = Mishap(self._chance.randrange(1, 12), fault, ONCE)
        self._world.layer.plan(mishap, seed=self._chance.randrange(10**6))
        seconds = self._chance.uniform(0.3, 2.5)
        process, mark = self._begin(command)
        killed = False
        if trouble == "gateway killed":
            time.sleep(seconds)
            self._server.kill()
            time.sleep(self._chance.uniform(0, AWAY))
            self._server.start()
        elif trouble == "killed":
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
            killed = process.poll() is None
            kill_all(mark)
        said = self._ended(process, mark, command)
        self.tried[f"{command[2]}, {trouble}"] += 1
        if trouble == "none" and process.returncode:
            raise Broken(f"{' '.join(command)} has failed with nothing in its way: {said}")
        self._world.layer.plan(NO_MISHAP)
        self._await_gateway()
        succeeded = process.returncode == 0 and not killed
        self._look(command, succeeded, succeeded and not _result(said).get("warnings"))

    def _change(self) -> None:
        with self._world.store("a") as store:
            account = ANNA
            for _unused in range(self._chance.randrange(1, 6)):
                self._number += 1
                mail(store, account, INBOX, self._number)
            states = [one for one in store.changes(account).items if one.kind == kinds.MESSAGE]
            if self._chance.random() < 0.5:
                store.update_item(account, self._chance.choice(states)._replace(flags=self._chance.choice("fru")))
            if self._chance.random() < 0.3:
                store.delete_items(account, [self._chance.choice(states).item_id])

    # -- commands --------------------------------------------------------------------------------------------------

    def _begin(self, command: tuple[str, ...]) -> tuple[subprocess.Popen[str], str]:
        node, *words = command
        places = {
            "retrieved": str(self._world.retrieved), "bucket": LABEL, "backup": str(self._world.path / "a" / "backup"),
        }
        config_file = str(self._world.path / node / "etc" / "restante.json")
        mark = f"{os.getpid()}-{time.monotonic_ns()}"
        return subprocess.Popen(
            [sys.executable, "-m", CLI, "--config-file", config_file, "--json", "--sync",
             *(word.format(**places) for word in words)],
            env={**os.environ, MARK: mark}, start_new_session=True, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ), mark

    def _ended(self, process: subprocess.Popen[str], mark: str, command: tuple[str, ...]) -> str:
        """Wait for the end of a command; return what it said. :raises Broken: it hangs, or says what none must say."""
        try:
            said, _unused = process.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired as error:
            kill_all(mark)
            raise Broken(f"{' '.join(command)} has not ended after {DEADLINE:.0f} s.") from error
        if any(words in said for words in TO_BE_REPORTED):
            raise Broken(f"{' '.join(command)}: {said}")
        if process.returncode > 0 and not said.strip():
            raise Broken(f"{' '.join(command)} has ended with {process.returncode} and no word.")
        return said

    def _done(self, command: tuple[str, ...]) -> dict[str, Any]:
        """Carry out a command that nothing disturbs; return its result."""
        process, mark = self._begin(command)
        said = self._ended(process, mark, command)
        if process.returncode:
            raise Broken(f"{' '.join(command)} cannot be done at the end: {said}")
        return _result(said)

    def _await_gateway(self) -> None:
        end = time.monotonic() + DEADLINE
        while True:
            try:
                self._world.names()
                return
            except Exception:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    # -- what must be true -----------------------------------------------------------------------------------------

    def _look(self, command: tuple[str, ...], succeeded: bool, untroubled: bool) -> None:
        """Look at everything after a command. :param untroubled: it has succeeded and has no warnings."""
        removes = command == PURGE
        before = {} if removes else self._before
        if self._purged:  # what was retrieved before says more than what is retrieved now
            before = {place: told for place, told in before.items() if place != RETRIEVED}
        if self._behind:
            before = {place: told for place, told in before.items() if place != ARCHIVE}
        self._world.check(before)
        self._before = self._world.histories()
        self._behind = (removes or self._behind) and not (untroubled and command in (SCAN, PURGE))
        retrieved = succeeded and command == RETRIEVE and not self._behind
        self._purged = removes or (self._purged and not retrieved)
        if succeeded and command == SCAN:
            with self._world.store("a") as store:
                live = sorted(str(one.to_json()) for one in store.changes(ANNA).items)
            if self._world.recorded()[ANNA] != live:
                raise Broken("A scan tells of success, and the backup does not say what the mailbox holds.")
        self._check_twice("b")

    def _check_twice(self, node: str) -> None:
        """Each message of these has a content of its own, so none may be there twice."""
        with self._world.store(node) as store:
            for entry in store.entries(kinds.ACCOUNT):
                found = Counter(
                    (one.digest, one.date) for one in store.changes(entry.entry_id).items if one.kind == kinds.MESSAGE
                )
                source = Counter[Any]()
                with self._world.store("a") as other:
                    theirs = other.find_entry(kinds.ACCOUNT, entry.name)
                    if theirs is not None:
                        source = Counter((one.digest, one.date) for one in other.changes(theirs.entry_id).items)
                twice = [key for key, count in found.items() if count > max(source[key], 1)]
                if twice:
                    raise Broken(f"{node}: {entry.name} has a message {found[twice[0]]} times: {twice[0]}.")

    def end(self) -> None:
        """Do everything once more, undisturbed, and compare. :raises Broken: what is not there, or is another."""
        self._await_gateway()
        scanned = self._done(SCAN)
        if scanned["warnings"]:
            raise Broken(f"The last scan has warnings: {scanned['warnings']}")
        self._done(PURGE)
        self._done(CHECK)
        own = self._world.path / "b"
        for name in ("store", "backup", "retrieved", "cache"):
            shutil.rmtree(own / name, ignore_errors=True)
        EmbeddedStore.create(str(own / "store")).close()
        for command in (RETRIEVE, RESTORE):
            result = self._done(command)
            if result.get("unrestored_items"):
                raise Broken(f"The last restore has left out: {result['unrestored_items'][0]}")
        node = self._world.node("b")
        proof = recovery.prove(node, str(self._world.retrieved))
        if not proof.passed:
            raise Broken(f"The last restore differs: {proof.to_json()}")
        expected, found = self._world.mailboxes("a"), self._world.mailboxes("b")
        if found != expected:
            raise Broken(f"The last restore does not give back what there was: {difference(expected, found)}")
        self._world.check({})


def _result(said: str) -> dict[str, Any]:
    """Return the result of a command that has succeeded, from what it has said."""
    result: dict[str, Any] = json.loads(said[said.index("{"):])
    return result


def kill_all(mark: str) -> None:
    """Kill all processes of a command, also those that have left its group."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in path.read_bytes().split(b"\0"):
                os.kill(int(path.parent.name), signal.SIGKILL)


def main() -> int:
    arguments = parser("python -m tests.torture.s3_processes", "Kill real processes.", 300).parse_args()
    absent = missing()
    if absent:
        print(f"radosgw cannot be run: {absent}")
        return 2
    print(f"seed {arguments.seed}", flush=True)
    chance = random.Random(arguments.seed)
    finding = ""
    with (
        tempfile.TemporaryDirectory(prefix="restante-processes-") as scratch,
        mortal_radosgw() as server, s3_layer(server.endpoint) as layer,
    ):
        world = S3World.begin(Path(scratch) / "world", layer)
        story = Story(world, server, chance)
        end = time.monotonic() + arguments.seconds
        try:
            while time.monotonic() < end:
                story.go_on()
            story.end()
        except Broken as error:
            finding = str(error)
            print(f"\nFOUND\n{finding}\n", flush=True)
    for what, count in sorted(story.tried.items()):
        print(f"{what}: {count}")
    print(f"{story.tried.total()} commands, {1 if finding else 0} findings, seed {arguments.seed}")
    return 1 if finding else 0


if __name__ == "__main__":
    sys.exit(main())
