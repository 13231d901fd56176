# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Node A of the drill: a mail node that is filled, backed up, and used until it is killed.

It runs as a process of its own, because being killed is its part in the play. It prints one JSON object per line:
what it was filled with, then one for every commit. Beside its store it keeps a manifest for every commit, written
before the scan that makes the commit, while nothing changes.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings
from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import sample
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.scan.smartscan import smart_scan
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader

from . import manifest

MASTER_KEY = "RESTANTE_DRILL_KEY"
"""The environment variable with the master key, where the backup is encrypted."""
CHURN_STEPS = 40
"""Changes between two scans."""


def say(**fact: object) -> None:
    """Print one fact for the one who runs the drill."""
    print(json.dumps(fact), flush=True)


def master_keys() -> Sequence[bytes]:
    """Return what opens the backup: the master key of the environment; nothing where it is not encrypted."""
    return [bytes.fromhex(os.environ[MASTER_KEY])] if MASTER_KEY in os.environ else ()


class Uploads(threading.Thread):
    """Uploads each commit as soon as it is there, beside the work on the mail store."""

    def __init__(self, backup_path: str, archive: S3Archive) -> None:
        super().__init__(daemon=True)
        self._backup_path = backup_path
        self._archive = archive
        self._committed = threading.Event()

    def committed(self) -> None:
        """Tell the thread that there is a new commit."""
        self._committed.set()

    def run(self) -> None:
        """Upload until the process ends; a failure ends the process, which the drill sees."""
        try:
            uploader = Uploader(Repository.open(self._backup_path, masters=master_keys()), self._archive)
            while True:
                self._committed.wait()
                self._committed.clear()
                say(event="uploaded", commit=uploader.sync().newest)
        except Exception as error:
            say(event="failed", error=str(error))
            os._exit(1)


def main() -> None:
    """Fill, scan, and go on changing until killed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--root", type=Path, required=True)
    arguments.add_argument("--endpoint", required=True)
    arguments.add_argument("--bucket", required=True)
    arguments.add_argument("--prefix", default="")
    arguments.add_argument("--corpus", type=Path)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()

    store = EmbeddedStore.create(str(options.root / "store"))
    if options.corpus:
        sample.fill_from_folder(store, str(options.corpus), seed=options.seed)
    else:
        sample.fill(store, seed=options.seed)
    hashes = manifest.Hashes(store)

    backup_path = str(options.root / "backup")
    repository = Repository.create(backup_path, store.server_id(), masters=master_keys())
    prefix = "/".join(part for part in (options.prefix, store.server_id()) if part)
    # The credentials come from the environment, where the process list does not show them.
    archive = S3Archive(S3Settings(bucket=options.bucket, prefix=prefix, endpoint=options.endpoint))
    uploads = Uploads(backup_path, archive)
    uploads.start()
    say(event="filled", server_id=store.server_id(), items=manifest.by_kind(Counter(manifest.lines(store, hashes))))

    step = 0
    while True:
        head = repository.head()
        following = (head.seq if head else 0) + 1
        manifest.write(options.root / f"manifest-{following}.json", Counter(manifest.lines(store, hashes)))
        with repository.writer() as writer:
            report = smart_scan(store, writer)
        repository.refresh()
        head = repository.head()
        if head is None:
            raise SystemExit(f"The first scan made no commit: {report}")
        say(event="committed", commit=head.seq, at=head.at)
        uploads.committed()
        time.sleep(0.2)
        step += 1
        sample.churn(store, seed=options.seed * 1000 + step, steps=CHURN_STEPS)


if __name__ == "__main__":
    main()
