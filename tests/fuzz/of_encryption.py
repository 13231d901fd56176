# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an encrypted backup has besides: keyrings, sealed commits and frames, witnesses, and master keys as people write
them."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits, frames, keys, sealing
from ansible_collections.restante.carbonio.plugins.module_utils.backup.keys import Identity, Key, Keys
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import master_key
from ansible_collections.restante.carbonio.plugins.module_utils.scan import witness
from ansible_collections.restante.carbonio.plugins.module_utils.scan.witness import Seen

from . import mutate
from .harness import Call, Target
from .of_backup import COMMIT, SEGMENT

MASTER: Final = bytes(range(32))
RING: Final = keys.new_ring(Identity("r", "s", 5)).with_accounts(
    {"anna": Key(b"a" * 16, b"b" * 32), "bob": Key(b"c" * 16, b"d" * 32)}
).without_accounts({"bob": b"e" * 32}, 5)
KEYS: Final = Keys(RING, lambda: RING)
KEYRING: Final = keys.encode(RING, MASTER)
SEALED: Final = commits.encode(commits.parse(COMMIT, "x"), KEYS)
FRAME: Final = frames.encode(frames.SEGMENT, SEGMENT, lock=KEYS.of_account("anna", hashlib.sha256(SEGMENT).digest()))
WITNESS: Final = Seen("r", "s", 7, "ab" * 32, "bucket b").encode()


def _keyrings(chance: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """A keyring that was altered, or one that has been signed and says something else than keys."""
    if chance.random() < 0.6:
        return mutate.values(chance, data, seeds)
    said = json.loads(KEYRING)
    context = json.dumps(
        {name: said[name] for name in ("cipher", "created", "format", "number", "repository", "server")},
        separators=(",", ":"), sort_keys=True,
    ).encode("ascii")
    inside = mutate.values(chance, b'{"accounts":{"a":["00","11"]},"destroyed":[["b","22",5,"33"]]}', seeds)
    nonce = sealing.new_nonce()
    sealed = nonce + sealing.seal(sealing.derive(RING.secret, b"keyring"), nonce, inside, context)
    said["keys"] = base64.b64encode(sealed).decode("ascii")
    return json.dumps(said, separators=(",", ":"), sort_keys=True).encode("ascii") + b"\n"


def _read_keyring(_scratch: Path) -> Call:
    return lambda data: keys.parse(data, [MASTER], "x")


def _read_commit(_scratch: Path) -> Call:
    return lambda data: commits.parse(data, "x", KEYS)


def _read_frame(_scratch: Path) -> Call:
    return lambda data: frames.content(data, keys=KEYS)


def _read_witness(_scratch: Path) -> Call:
    return lambda data: witness.parse(data, "x")


def _read_master(_scratch: Path) -> Call:
    return lambda data: master_key.parse(data.decode("utf-8", "replace"), "x")


TARGETS: Final = (
    Target("keyring", lambda: [KEYRING], _read_keyring, _keyrings),
    Target("sealed commit", lambda: [SEALED], _read_commit),
    Target("sealed frame", lambda: [FRAME], _read_frame),
    Target("witness", lambda: [WITNESS], _read_witness, mutate.values),
    Target("master key", lambda: [MASTER.hex().encode(), base64.b64encode(MASTER)], _read_master),
)
