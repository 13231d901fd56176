# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Get mail out of a Backup Path without restante.carbonio: with Python 3.9 or later and its zstandard package alone.

    python3 rescue.py DIRECTORY accounts [--at T]
    python3 rescue.py DIRECTORY list ACCOUNT [--at T]
    python3 rescue.py DIRECTORY extract ACCOUNT ITEM TARGET [--at T]
    python3 rescue.py DIRECTORY extract ACCOUNT --all TARGET [--at T]

DIRECTORY is a Backup Path, or what was copied from <prefix>/<server id>/ of a bucket. ACCOUNT is an address or an id.
T is a moment as 2026-03-28T09:29:49+01:00 (without an offset: this machine's time), or milliseconds since 1970 UTC.

It reads the commits, the packs of metadata, and the packs with the contents that are asked for; what is missing or
damaged is named on the standard error and left out, and the exit status is then 1. format.md describes what it reads.
"""

from __future__ import annotations

import argparse
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

BLOB, SEGMENT, INDEX = 1, 2, 3
HEADER = struct.Struct(">4sBBBB16s24s32sQQI")
PACK = re.compile("[0-9a-f]{64}")
ENTRY = struct.Struct(">B32sQQQ")
LARGEST = {BLOB: 1 << 31, SEGMENT: 1 << 26, INDEX: 1 << 26}
"""Plain bytes that a frame may hold: what says more is no frame, or a bomb."""
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


# -- frames and packs ----------------------------------------------------------------------------------------------


def header(data: Any, offset: int) -> tuple[int, bytes, int] | None:
    """Return (kind, digest, length of the whole frame) of the frame at an offset; None where there is none."""
    if offset + HEADER.size > len(data):
        return None
    fields = bytes(data[offset: offset + HEADER.size])
    magic, version, kind, method, cipher, _key, _nonce, digest, _size, stored, crc = HEADER.unpack(fields)
    if magic != b"RSTF" or crc != zlib.crc32(fields[:-4]):
        return None
    if version != 1 or cipher or method > 1:
        sys.exit("This backup was written by a newer version; use its rescue.py.")
    return kind, digest, HEADER.size + stored


def content(frame: bytes) -> bytes | None:
    """Return the plain bytes of a frame; None where they are damaged."""
    fields = HEADER.unpack(frame[: HEADER.size])
    kind, method, digest, size, stored = fields[2], fields[3], fields[7], fields[8], fields[9]
    body = frame[HEADER.size: HEADER.size + stored]
    try:
        if size > LARGEST.get(kind, 0) or (method and zstandard.frame_content_size(body) != size):
            return None
        data = zstandard.ZstdDecompressor().decompress(body, max_output_size=size) if method else body
    except (zstandard.ZstdError, MemoryError):
        return None
    return data if hashlib.sha256(data).digest() == digest else None


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
            all(isinstance(text, str) for text in texts) and all(type(number) is int for number in numbers)
            and re.fullmatch("([0-9a-f]{64})?", texts[-1]) and isinstance(state.get("attrs", {}), dict)
        ):
            return change
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    report("a journal has lines that cannot be read")
    return {}


class Backup:
    """What the commits and the packs of metadata say."""

    def __init__(self, path: str) -> None:
        self.path = path
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
        for file in sorted(self._names("commits")):
            match = re.fullmatch(r"(\d{20})\.json", file)
            if not match:
                continue
            if expected and int(match[1]) != expected:
                report(f"commits {expected} to {int(match[1]) - 1} are missing")
            expected = int(match[1]) + 1
            try:
                with open(os.path.join(self.path, "commits", file), "rb") as opened:
                    commit = json.load(opened)
                named = {pack["name"]: pack["kind"] for pack in commit["packs"] if PACK.fullmatch(pack["name"])}
                packs = named if commit["full"] else {**packs, **named}
                for name in commit["removed"]:
                    packs.pop(name, None)
            except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
                report(f"commits/{file} cannot be read ({error})")
        if not packs:
            report("no commit can be read: all packs are looked through")
            for folder in sorted(self._names("packs")):
                packs.update(dict.fromkeys(filter(PACK.fullmatch, sorted(self._names(f"packs/{folder}"))), ""))
        return packs

    def _names(self, folder: str) -> list[str]:
        try:
            return os.listdir(os.path.join(self.path, folder))
        except OSError:
            return []

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
            plain = content(data[offset: offset + length])
            if plain is None:
                report(f"pack {name}, frame at {offset} is altered")
            elif kind == SEGMENT:
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
        place = self.places.get(bytes.fromhex(digest))
        if place is None:
            report(f"no pack holds the content {digest}")
            return None
        name, offset, length = place
        data = self._map(name)
        found = header(data, offset)
        plain = content(data[offset: offset + length]) if found and offset + found[2] <= len(data) else None
        if plain is None or hashlib.sha256(plain).hexdigest() != digest:
            if data:
                report(f"pack {name}: the content {digest} at {offset} is altered or cut short")
            return None
        return plain

    def journals(self) -> Iterator[tuple[str, list[bytes]]]:
        """Yield (account id or "server", lines) of every segment."""
        for frame in self.segments:
            head, *lines = (content(frame) or b"").splitlines() or [b""]
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
    arguments = parser.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):  # names that the terminal has not are written out
        sys.stdout.reconfigure(errors="backslashreplace")
    if arguments.command == "extract" and arguments.all == bool(arguments.item):
        parser.error("name one item, or give --all")
    if not os.path.isfile(os.path.join(arguments.directory, "format.json")):
        report(f"{arguments.directory} has no format.json; is it a Backup Path?")

    backup = Backup(arguments.directory)
    accounts = backup.accounts(arguments.at)
    if arguments.command == "accounts":
        for account, address in sorted(accounts.items(), key=lambda pair: pair[1]):
            print(account, address)
        return 1 if damaged else 0

    wanted = [scope for scope, name in accounts.items() if arguments.account in (scope, name)] or [arguments.account]
    states = backup.states(wanted[0], arguments.at)
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
