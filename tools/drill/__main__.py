# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The drill, from a full mail node to its proven recovery.

Node A is filled, backed up to S3 and used until it is killed; all it had is then removed but for the bucket. The
playbook s3_recovery.yml recovers node B from the bucket, and what B holds is held against what A held at the last
commit in the bucket. The exit status is 0 only when every item is back.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.restante.carbonio.plugins.module_utils.archive.numbered import last_number
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore

from . import evidence, manifest, recovery
from .node_a import MASTER_KEY
from .report import DrillReport
from .s3_server import S3Server

BUCKET = "drill-bucket"
SHOWN = 100
"""How many differing items a report names."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make drill", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/drill"), help="where everything of the drill is put")
    parser.add_argument("--corpus", type=Path, help="fill node A with the mail in this folder, not with generated mail")
    parser.add_argument("--encrypted", action="store_true", help="encrypt the backup with a new master key")
    parser.add_argument("--seed", type=int, default=1, help="for the generated mail and the changes")
    parser.add_argument("--changing", type=float, default=6.0, help="seconds for which node A is used while it uploads")
    return parser.parse_args()


class NodeA:
    """The node that will be lost: its process, and what it has told so far."""

    def __init__(self, root: Path, options: argparse.Namespace, server: S3Server, master_key: str) -> None:
        """:param master_key: in hexadecimal; empty where the backup is not to be encrypted."""
        root.mkdir(parents=True)
        self._root = root
        self._master_key = master_key
        command = [
            sys.executable, "-m", "tools.drill.node_a", "--root", str(root), "--endpoint", server.endpoint,
            "--bucket", BUCKET, "--seed", str(options.seed),
        ]
        if options.corpus:
            command += ["--corpus", str(options.corpus)]
        environment = {**os.environ, **server.credentials}
        if master_key:
            environment[MASTER_KEY] = master_key
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        self.server_id = ""

    def use(self, seconds: float) -> None:
        """Wait until the first scan has been uploaded, then let the node go on for some seconds.

        :raises SystemExit: the node failed.
        """
        deadline = None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            fact = json.loads(line)
            if fact["event"] == "filled":
                self.server_id = fact["server_id"]
                print(f"node A is filled: {sum(fact['items'].values())} items", flush=True)
            elif fact["event"] == "failed":
                raise SystemExit(f"Node A could not upload: {fact['error']}")
            elif fact["event"] == "uploaded" and deadline is None:
                print(f"the first SmartScan is in the bucket; node A is used for {seconds:.0f} s more", flush=True)
                deadline = time.monotonic() + seconds
            if deadline is not None and time.monotonic() > deadline:
                return
        raise SystemExit(f"Node A ended with status {self._process.wait()} before its time; its messages are above.")

    def kill(self) -> int:
        """Kill the node at once; return when, UTC milliseconds."""
        self._process.send_signal(signal.SIGKILL)
        died = time.time_ns() // 1_000_000
        self._process.wait()
        return died

    def held(self) -> Counter[manifest.Line]:
        """Return what the dead node's store holds: for the accounts of the drill only, the recovery never sees it."""
        store = EmbeddedStore.open(str(self._root / "store"))
        try:
            return Counter(manifest.lines(store))
        finally:
            store.close()

    def held_at(self, commit: int) -> Counter[manifest.Line]:
        """Return what the node held when it made a commit."""
        return manifest.read(self._root / f"manifest-{commit}.json")

    def committed_at(self, commit: int) -> int:
        """Return when the dead node made a commit, UTC milliseconds."""
        masters = [bytes.fromhex(self._master_key)] if self._master_key else ()
        with contextlib.closing(Repository.open(str(self._root / "backup"), masters=masters)) as backup:
            return backup.commit(commit).at

    def destroy(self) -> None:
        """Remove everything the node had."""
        shutil.rmtree(self._root)


def tell(lines: Counter[manifest.Line]) -> list[str]:
    """Return the first items of a difference in words."""
    return [
        f"{line.account}: {line.kind} {line.name!r} in {line.path}, flags {line.flags!r}, tags {line.tags}, "
        f"date {line.date}, SHA-256 {line.sha256[:16] or 'none'}"
        for line in sorted(lines)[:SHOWN]
    ]


def judge(
    expected: Counter[manifest.Line], lost: Counter[manifest.Line], rpo_seconds: float, outcome: recovery.Outcome
) -> DrillReport:
    """Hold node B against what node A held, and make the report."""
    missing = expected - outcome.held
    unexpected = outcome.held - expected
    unrestored: Mapping[str, int] = outcome.result.get("unrestored", {})
    passed = not (missing or unexpected or unrestored or outcome.differences or outcome.status)
    return DrillReport(
        expected=manifest.by_kind(expected),
        restored=outcome.result.get("restored", {}),
        verified=manifest.by_kind(expected & outcome.held),
        skipped=outcome.result.get("skipped", {}),
        unrestored=unrestored,
        lost_after_last_commit=manifest.by_kind(lost),
        missing=tell(missing),
        unexpected=tell(unexpected),
        differences=outcome.differences[:SHOWN],
        rpo_seconds=rpo_seconds,
        rto_seconds=outcome.rto_seconds,
        passed=passed,
    )


def faults(report: DrillReport, outcome: recovery.Outcome) -> str:
    """Return what the comparison with node A itself has found, which the engine has no part in; empty for nothing."""
    if outcome.status:
        return outcome.differences[0]
    found = [*report.missing[:3], *report.unexpected[:3]]
    return f"Node B is not what node A was: {'; '.join(found)}." if found else ""


def main() -> int:
    """Run the drill; return its exit status."""
    options = arguments()
    output: Path = options.output.resolve()
    if options.corpus and not options.corpus.is_dir():
        raise SystemExit(f"CORPUS={options.corpus} is no folder; name one with mail in it, or leave it out.")
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    started = time.monotonic()
    with S3Server(output / "s3.log") as server:
        server.create_bucket(BUCKET)
        master_key = secrets.token_hex(32) if options.encrypted else ""
        node_a = NodeA(output / "a", options, server, master_key)
        node_a.use(options.changing)
        died = node_a.kill()
        commit = last_commit(server, node_a.server_id)
        committed = node_a.committed_at(commit)
        rpo_seconds = (died - committed) / 1000
        expected = node_a.held_at(commit)
        lost = node_a.held() - expected
        node_a.destroy()
        print(f"node A is destroyed; the bucket has its commits up to number {commit}", flush=True)
        outcome = recovery.recover(output / "b", server, BUCKET, master_key)
    report = judge(expected, lost, rpo_seconds, outcome)
    report.write(output / "report.json")
    print(report.table())
    page = evidence.write(output, died, committed, outcome, faults(report, outcome))
    print(f"the whole drill took {time.monotonic() - started:.0f} s; open its report in a browser:\n{page}")
    return 0 if report.passed else 1


def last_commit(server: S3Server, server_id: str) -> int:
    """Return the number of the newest commit in the bucket."""
    archive = S3Archive(server.settings(BUCKET, server_id))
    return last_number(lambda seq: archive.size(commits.name(seq)) is not None)


if __name__ == "__main__":
    sys.exit(main())
