# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Get mail out of a Backup Path without restante.carbonio: with Python 3.9 or later and its zstandard package alone.

    python3 rescue.py DIRECTORY accounts [--at T] [--key-file FILE]
    python3 rescue.py DIRECTORY list ACCOUNT [--at T] [--key-file FILE]
    python3 rescue.py DIRECTORY extract ACCOUNT ITEM TARGET [--at T] [--key-file FILE]
    python3 rescue.py DIRECTORY extract ACCOUNT --all TARGET [--at T] [--key-file FILE]

DIRECTORY is a Backup Path, or what was copied from <prefix>/<server id>/ of a bucket. ACCOUNT is an address or an id.
T is a moment as 2026-03-28T09:29:49+01:00 (without an offset: this machine's time), or milliseconds since 1970 UTC.
FILE holds the master key of a backup that is encrypted; without it, the environment variable RESTANTE_MASTER_KEY does.
Such a backup also needs the package cryptography.

It reads the commits, the packs of metadata, and the packs with the contents that are asked for; what is missing or
damaged is named on the standard error and left out, and the exit status is then 1. What was forgotten on purpose is no
damage. format.md describes what it reads.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import mmap
import os
import re
import struct
import sys
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

try:
    import zstandard
except ImportError:
    sys.exit("The Python package zstandard is missing: apt-get install python3-zstandard, or pip install zstandard.")

BLOB, SEGMENT, INDEX, COMMIT = 1, 2, 3, 4
HEADER = struct.Struct(">4sBBBB16s24s32sQQI")
PACK = re.compile("[0-9a-f]{64}")
ENTRY = struct.Struct(">B32sQQQ")
LARGEST = {BLOB: 1 << 31, SEGMENT: 1 << 26, INDEX: 1 << 26, COMMIT: 1 << 26}
"""Plain bytes that a frame may hold: what says more is no frame, or a bomb."""
INVALID = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
OPEN = ("cipher", "created", "format", "number", "repository", "server")
NUMBERED = re.compile(r"(\d{20})\.json")
SUFFIX = {
    "message": ".eml", "contact": ".vcf", "contact_group": ".vcf", "appointment": ".ics", "task": ".ics",
    "filter_set": ".sieve", "document": "",
}

damaged: list[str] = []


def report(text: str) -> None:
    """Name something that is damaged or missing, once."""
    if text not in damaged:
        damaged.append(text)
        print(f"damaged: {text}", file=sys.stderr)


class Unreadable(Exception):
    """What cannot be read, and why; without words where it was forgotten on purpose."""


# -- keys ----------------------------------------------------------------------------------------------------------


def master_keys(path: str | None) -> list[bytes]:
    """Return the master keys in a file, or in the environment: 64 hexadecimal digits each, or base64."""
    try:
        with open(path or os.devnull, encoding="ascii") as file:
            words = (file.read() if path else os.environ.get("RESTANTE_MASTER_KEY", "")).split()
        keys = [
            bytes.fromhex(word) if re.fullmatch("[0-9a-fA-F]{64}", word) else base64.b64decode(word, validate=True)
            for word in words
        ]
    except OSError as error:
        sys.exit(f"The master key cannot be read: {error}.")
    except ValueError:
        keys = [b""]
    if any(len(key) != 32 for key in keys) or (path and not keys):
        sys.exit("The master key is none: it must be 32 bytes as 64 hexadecimal digits, or as base64.")
    return keys


def derived(secret: bytes, purpose: bytes) -> bytes:
    """Return the secret for one purpose."""
    return hashlib.blake2b(purpose, key=secret, digest_size=32).digest()


class Keys:
    """What an encrypted backup is opened with: what its keyring holds, and what is derived from that."""

    def __init__(self, path: str, masters: list[bytes]) -> None:
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError:
            sys.exit(
                "The backup is encrypted, and the Python package cryptography is missing: "
                "apt-get install python3-cryptography, or pip install cryptography."
            )
        self._cipher, self._altered = AESGCM, InvalidTag
        if not masters:
            sys.exit("The backup is encrypted; name its master key: --key-file FILE, or set RESTANTE_MASTER_KEY.")
        self.number = 0
        secret, keyring = self._opened(path, masters)
        self._names, self._contents = derived(secret, b"names"), derived(secret, b"contents")
        self._aliases = derived(secret, b"aliases")
        self._secrets = {bytes.fromhex(key): bytes.fromhex(own) for key, own in keyring["accounts"].values()}
        self._secrets[derived(secret, b"key id")[:16]] = derived(secret, b"repository")
        self._destroyed = {bytes.fromhex(key) for _scope, key, _at, _alias in keyring["destroyed"]}
        self._forgotten = {name for scope, _key, _at, alias in keyring["destroyed"] for name in (scope, alias)}

    def _opened(self, path: str, masters: list[bytes]) -> tuple[bytes, Any]:
        """Return the secret of the repository and the keys, out of the newest keyring that can be opened."""
        files = sorted(filter(NUMBERED.fullmatch, names(path, "keys")), reverse=True)
        for file in files:
            for master in masters:
                try:
                    with open(os.path.join(path, "keys", file), "rb") as opened:
                        record = json.load(opened)
                    if record["format"] != 1 or record["cipher"] != "AES-256-GCM":
                        sys.exit("This backup was written by a newer version; use its rescue.py.")
                    context = json.dumps({name: record[name] for name in OPEN}, separators=(",", ":")).encode("ascii")
                    first, second = base64.b64decode(record["secret"]), base64.b64decode(record["keys"])
                    secret = self.unsealed(master, first[:12], first[12:], context)
                    own = derived(secret, b"keyring")
                    keyring = json.loads(self.unsealed(own, second[:12], second[12:], context))
                    self.number = record["number"]
                    return secret, keyring
                except (*INVALID, Unreadable):
                    continue
            report(f"keys/{file} is altered, or is of another master key")
        sys.exit(
            f"No keyring in {path}/keys can be opened with this master key, and nothing can be read without one: copy "
            "keys/ from the bucket, or name the right master key."
        )

    def unsealed(self, secret: bytes, nonce: bytes, data: bytes, context: bytes) -> bytes:
        """Return what was encrypted."""
        try:
            return self._cipher(secret).decrypt(nonce, data, context)
        except self._altered as error:
            raise Unreadable("is altered") from error

    def name(self, digest: bytes) -> bytes:
        """Return what a content is called in packs."""
        return derived(self._names, digest)

    def secret(self, key: bytes, digest: bytes | None) -> bytes:
        """Return what a frame is opened with. :param digest: of a content that is wanted; None for anything else."""
        if digest is not None:
            return derived(self._contents, digest)
        if key not in self._secrets:
            raise Unreadable("" if key in self._destroyed else "needs a key that only a newer keyring has; copy that")
        return self._secrets[key]

    def forgot(self, account: str) -> bool:
        """Return whether an account, by its address or id, was forgotten."""
        alias = derived(self._aliases, account.lower().encode("utf-8", "surrogateescape"))
        return {account, alias.hex()} & self._forgotten != set()


# -- frames and packs ----------------------------------------------------------------------------------------------


def names(path: str, folder: str) -> list[str]:
    """Return the names in a folder of a backup; none where there is no such folder."""
    try:
        return os.listdir(os.path.join(path, folder))
    except OSError:
        return []


def header(data: Any, offset: int) -> tuple[int, bytes, int] | None:
    """Return (kind, digest, length of the whole frame) of the frame at an offset; None where there is none."""
    if offset + HEADER.size > len(data):
        return None
    fields = bytes(data[offset: offset + HEADER.size])
    magic, version, kind, method, cipher, _key, _nonce, digest, _size, stored, crc = HEADER.unpack(fields)
    if magic != b"RSTF" or crc != zlib.crc32(fields[:-4]):
        return None
    if version != 1 or cipher > 1 or method > 1:
        sys.exit("This backup was written by a newer version; use its rescue.py.")
    return kind, digest, HEADER.size + stored


def content(frame: bytes, keys: Keys | None, wanted: bytes | None = None) -> bytes:
    """Return the plain bytes of a frame. :param wanted: the digest that a content has.

    :raises Unreadable: they are damaged, or their key is no more.
    """
    fields = HEADER.unpack(frame[: HEADER.size])
    kind, method, cipher, key, nonce, digest, size, stored = fields[2:10]
    body = frame[HEADER.size: HEADER.size + stored]
    if bool(cipher) != bool(keys):
        raise Unreadable("is encrypted, and the backup is not" if cipher else "is not encrypted, and the backup is")
    if keys:
        body = keys.unsealed(keys.secret(key, wanted), nonce[:12], body, frame[: HEADER.size - 4])
    try:
        if size > LARGEST.get(kind, 0) or (method and zstandard.frame_content_size(body) != size):
            raise Unreadable("is altered")
        data = zstandard.ZstdDecompressor().decompress(body, max_output_size=size) if method else body
    except (zstandard.ZstdError, MemoryError, OverflowError) as error:
        raise Unreadable("is altered") from error
    plain = hashlib.sha256(data).digest()
    if (keys.name(plain) if keys else plain) != digest or wanted not in (None, plain):
        raise Unreadable("is altered")
    return data


def frames(data: Any) -> Iterator[tuple[int, int, bytes, int]]:
    """Yield (offset, kind, digest, length) of all whole frames of a pack, damaged or not."""
    offset = data.find(b"RSTF")
    while offset >= 0:
        found = header(data, offset)
        step = 1
        if found and offset + found[2] <= len(data):
            yield (offset, *found)
            step = found[2]
        offset = data.find(b"RSTF", offset + step)


def transaction(line: bytes) -> dict[str, Any]:
    """Return what a line of a journal says; nothing where it is none."""
    try:
        change: dict[str, Any] = json.loads(line)
        state = {"kind": ""} if change["state"] is None else change["state"]
        texts = [change["item"], state["kind"], *(state.get(key, "") for key in ("name", "folder", "digest"))]
        numbers = [change["at"], change["seq"], state.get("date", 0), state.get("size", 0)]
        if (
            all(isinstance(text, str) for text in texts) and all(isinstance(number, int) for number in numbers)
            and re.fullmatch("([0-9a-f]{64})?", texts[-1]) and isinstance(state.get("attrs", {}), dict)
        ):
            return change
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    report("a journal has lines that cannot be read")
    return {}


class Backup:
    """What the commits and the packs of metadata say."""

    def __init__(self, path: str, masters: list[bytes]) -> None:
        self.path = path
        encrypted = is_encrypted(path)
        if masters and not encrypted:
            sys.exit("There is a master key, and the backup is not encrypted; if it is the right one, name no key.")
        self.keys = Keys(path, masters) if encrypted else None
        self.segments: list[bytes] = []
        self.places: dict[bytes, tuple[str, int, int]] = {}
        packs = self._packs()
        indexed: set[str] = set()
        for name, kind in packs.items():
            if kind != "blobs":
                indexed.update(self._read_metadata(name, quiet=kind == ""))
        for name, kind in packs.items():
            if kind == "blobs" and name not in indexed:
                self._read_blob_pack(name)

    def _packs(self) -> dict[str, str]:
        """Return the kind of every pack: as the commits say, or unknown where no commit can be read."""
        packs: dict[str, str] = {}
        expected = None
        for file in sorted(names(self.path, "commits")):
            match = NUMBERED.fullmatch(file)
            if not match:
                continue
            if expected and int(match[1]) != expected:
                report(f"commits {expected} to {int(match[1]) - 1} are missing")
            expected = int(match[1]) + 1
            try:
                with open(os.path.join(self.path, "commits", file), "rb") as opened:
                    commit = json.loads(self._unsealed(opened.read()))
                if commit["seq"] != int(match[1]):
                    raise Unreadable(f"it is commit {commit['seq']}")
                if self.keys and commit["keyring"] > self.keys.number:
                    report(f"commits/{file} was made with a newer keyring than the newest in keys/")
                named = {pack["name"]: pack["kind"] for pack in commit["packs"] if PACK.fullmatch(pack["name"])}
                packs = named if commit["full"] else {**packs, **named}
                for name in commit["removed"]:
                    packs.pop(name, None)
            except (*INVALID, Unreadable) as error:
                report(f"commits/{file} cannot be read ({error})")
        if not packs:
            report("no commit can be read: all packs are looked through")
            for folder in sorted(names(self.path, "packs")):
                packs.update(dict.fromkeys(filter(PACK.fullmatch, sorted(names(self.path, f"packs/{folder}"))), ""))
        return packs

    def _unsealed(self, commit: bytes) -> bytes:
        """Return the JSON of a commit's file, which is a frame in an encrypted backup."""
        if self.keys is None:
            return commit
        found = header(commit, 0)
        if found is None or found[0] != COMMIT or found[2] != len(commit):
            raise Unreadable("it is not sealed with the keys of this backup")
        return content(commit, self.keys)

    def _map(self, name: str) -> Any:
        """Return the bytes of a pack; none where it cannot be read."""
        try:
            with open(os.path.join(self.path, "packs", name[:2], name), "rb") as file:
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            report(f"pack {name} cannot be read ({error})")
            return b""

    def _read_metadata(self, name: str, quiet: bool) -> Iterator[str]:
        """Take in what a pack holds but contents; yield the packs that it describes."""
        data = self._map(name)
        if data and not quiet and hashlib.sha256(data).hexdigest() != name:
            report(f"pack {name} is altered or cut short; what is whole in it is used")
        for offset, kind, digest, length in frames(data):
            if kind == BLOB:
                self.places[digest] = (name, offset, length)
                continue
            try:
                plain = content(data[offset: offset + length], self.keys)
            except Unreadable as error:
                if str(error):
                    report(f"pack {name}, frame at {offset} {error}")
                continue
            if kind == SEGMENT:
                self.segments.append(data[offset: offset + length])
            elif kind == INDEX and len(plain) % ENTRY.size == 32 and plain[:32] != bytes(32):
                described = plain[:32].hex()
                entries = ENTRY.iter_unpack(plain[32:])
                self.places.update((blob, (described, place, size)) for _kind, blob, place, size, _plain in entries)
                yield described

    def _read_blob_pack(self, name: str) -> None:
        """Find the contents in a pack of which no index was found among the metadata."""
        data = self._map(name)
        self.places.update(
            (digest, (name, offset, length)) for offset, kind, digest, length in frames(data) if kind == BLOB
        )

    def blob(self, digest: str) -> bytes | None:
        """Return a content; None where it is missing or damaged."""
        wanted = bytes.fromhex(digest)
        place = self.places.get(self.keys.name(wanted) if self.keys else wanted)
        if place is None:
            report(f"no pack holds the content {digest}")
            return None
        name, offset, length = place
        data = self._map(name)
        found = header(data, offset)
        try:
            if found and offset + found[2] <= len(data):
                return content(data[offset: offset + length], self.keys, wanted)
        except Unreadable:
            pass
        if data:
            report(f"pack {name}: the content {digest} at {offset} is altered or cut short")
        return None

    def journals(self) -> Iterator[tuple[str, list[bytes]]]:
        """Yield (account id or "server", lines) of every segment."""
        for frame in self.segments:
            head, *lines = content(frame, self.keys).splitlines() or [b""]
            try:
                yield json.loads(head)["scope"] + "", lines
            except (ValueError, LookupError, TypeError, RecursionError):
                report("a segment of a journal has no head that can be read")

    def states(self, account: str, at: int) -> dict[str, dict[str, Any]]:
        """Return the transaction of each item that holds at a moment, deletions left out."""
        last: dict[str, dict[str, Any]] = {}
        for scope, lines in self.journals():
            for line in lines if scope == account else ():
                change = transaction(line)
                if change and change["at"] <= at and change["seq"] >= last.get(change["item"], change)["seq"]:
                    last[change["item"]] = change
        return {item: change for item, change in last.items() if change["state"] is not None}

    def accounts(self, at: int) -> dict[str, str]:
        """Return the address of each account by its id."""
        last: dict[str, dict[str, Any]] = {}
        for scope, lines in self.journals():
            for line in lines if scope != "server" else ():
                if b'"item":"account"' in line:
                    change = transaction(line)
                    if change and change["at"] <= at and change["seq"] >= last.get(scope, change)["seq"]:
                        last[scope] = change
        return {scope: change["state"].get("name", "") for scope, change in last.items() if change["state"]}


def is_encrypted(path: str) -> bool:
    """Return whether a backup is encrypted; told by its keyring where it has lost its format.json."""
    try:
        with open(os.path.join(path, "format.json"), "rb") as file:
            features = json.load(file)["features"]
    except INVALID as error:
        report(f"{path} has no format.json that can be read ({error}); is it a Backup Path?")
        return bool(names(path, "keys"))
    if features not in ([], ["encryption"]):
        sys.exit("This backup was written by a newer version; use its rescue.py.")
    return bool(features)


# -- commands ------------------------------------------------------------------------------------------------------


def part(name: str) -> str:
    """Return a name as one component of a path that leads nowhere else."""
    safe = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|\ud800-\udfff]', "_", name).strip(". ")
    return safe.encode("utf-8")[:200].decode("utf-8", "ignore") or "_"


def folder_path(states: dict[str, dict[str, Any]], folder: str) -> list[str]:
    """Return the names of the folders above an item."""
    path: list[str] = []
    while folder in states and len(path) < 100:
        state = states[folder]["state"]
        if state.get("name"):  # the root folder has none
            path.insert(0, part(state["name"]))
        folder = state.get("folder", "")
    return path


def extract(backup: Backup, states: dict[str, dict[str, Any]], items: list[str], target: str) -> None:
    """Write the contents of items into folders, and all that is known of them into items.jsonl."""
    os.makedirs(target, mode=0o700, exist_ok=True)
    written = 0
    with open(os.path.join(target, "items.jsonl"), "w", encoding="ascii") as listing:
        for item in items:
            state = states[item]["state"]
            print(json.dumps({"item": item, **state}), file=listing)
            data = backup.blob(state["digest"]) if state.get("digest") else None
            if data is None:
                continue
            folder = os.path.join(target, *folder_path(states, state.get("folder", "")))
            stem = part(item) + (f"-{part(state['name'])}" if state.get("name") else "")
            try:
                os.makedirs(folder, mode=0o700, exist_ok=True)
                with open(os.path.join(folder, part(stem) + SUFFIX.get(state["kind"], "")), "wb") as file:
                    file.write(data)
            except OSError as error:
                report(f"item {part(item)} cannot be written ({error.strerror})")
                continue
            written += 1
    print(f"{written} of {len(items)} items had a content and were written to {target}")


def moment(text: str) -> int:
    """Return a moment in milliseconds."""
    if text.lstrip("-").isdigit():
        return int(text)
    try:
        return int(datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text)).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment; write it as 2026-03-28T09:29:49+01:00") from error


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(description="Get mail out of a Backup Path without restante.carbonio.")
    parser.add_argument("directory")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("accounts", "list", "extract"):
        options = commands.add_parser(command)
        if command != "accounts":
            options.add_argument("account", help="address or id")
        if command == "extract":
            options.add_argument("item", nargs="?", help="id, as list shows it")
            options.add_argument("--all", action="store_true", help="every item of the account")
            options.add_argument("target", help="directory to write to")
        options.add_argument("--at", type=moment, default=2**63, metavar="T", help="the state at a moment")
        options.add_argument("--key-file", metavar="FILE", help="the master key of an encrypted backup")
    arguments = parser.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):  # names that the terminal has not are written out
        sys.stdout.reconfigure(errors="backslashreplace")
    if arguments.command == "extract" and arguments.all == bool(arguments.item):
        parser.error("name one item, or give --all")

    backup = Backup(arguments.directory, master_keys(arguments.key_file))
    accounts = backup.accounts(arguments.at)
    if arguments.command == "accounts":
        for account, address in sorted(accounts.items(), key=lambda pair: pair[1]):
            print(account, address)
        return 1 if damaged else 0

    wanted = [scope for scope, name in accounts.items() if arguments.account in (scope, name)] or [arguments.account]
    states = backup.states(wanted[0], arguments.at)
    if not states and backup.keys and backup.keys.forgot(arguments.account):
        sys.exit(f"The account {arguments.account} was forgotten, and its key destroyed.")
    if not states:
        sys.exit(f"Nothing is known of the account {arguments.account} at that moment.")
    if arguments.command == "list":
        for item, change in states.items():
            state = change["state"]
            where = "/".join(folder_path(states, state.get("folder", "")))
            subject = state.get("name") or state.get("attrs", {}).get("subject", "")
            print(json.dumps(
                [item, change["kind"], state.get("date", 0), state.get("size", 0), where, subject], ensure_ascii=True
            ))
        return 1 if damaged else 0
    if arguments.item and arguments.item not in states:
        sys.exit(f"The account {arguments.account} has no item {arguments.item} at that moment.")
    extract(backup, states, [arguments.item] if arguments.item else list(states), arguments.target)
    return 1 if damaged else 0


if __name__ == "__main__":
    sys.exit(main())
