# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keyrings, and what is closed with the keys in them: whoever has not got them can neither read it nor make it."""

from __future__ import annotations

import base64
import json
import random
import struct
import threading
import time
import zlib
from collections.abc import Iterator

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits, frames, keys, sealing
from ansible_collections.restante.carbonio.plugins.module_utils.backup.commits import Commit, Head, PackInfo
from ansible_collections.restante.carbonio.plugins.module_utils.backup.keys import (
    Destroyed,
    Forgotten,
    Identity,
    Key,
    Keys,
    Ring,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged, NotABackup, Refused
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import mutate

MASTER, OTHER = bytes(range(32)), bytes(range(1, 33))
IDENTITY = Identity("repository-id", "server-id", 1_700_000_000_000)
MAIL = b"Subject: secret\r\n\r\n" + b"a message " * 20


def ring_of(*scopes: str, identity: Identity = IDENTITY) -> Ring:
    given_keys = {scope: Key(sealing.new_secret()[: keys.KEY_ID_SIZE], sealing.new_secret()) for scope in scopes}
    return keys.new_ring(identity).with_accounts(given_keys)


def used(ring: Ring) -> Keys:
    return Keys(ring, lambda: ring)


RING = ring_of("anna", "bob").without_accounts({"bob": b"alias"}, 5)
KEYS = used(RING)
FILE = keys.encode(RING, MASTER)
COMMIT = Commit(
    seq=7, at=123, hash="", previous="ab" * 32, nonce="cd" * 16, repository="r", server="s",
    packs=(PackInfo("ef" * 32, "blobs", 5),), heads={"anna": Head("12" * 32, 3, 99)}, tokens={"anna": "1"}, last=99,
    checkpoint=1, removed=(), full=False,
)


def closed(kind: int, data: bytes = MAIL, ring: Keys = KEYS) -> bytes:
    """A frame as a writer makes it."""
    digest = frames.content(frames.encode(kind, data)).digest
    lock = {
        frames.BLOB: ring.of_content, frames.SEGMENT: lambda one: ring.of_account("anna", one),
        frames.INDEX: ring.of_repository, frames.COMMIT: ring.of_repository,
    }[kind](digest)
    return frames.encode(kind, data, digest, lock)


def opened(frame: bytes, ring: Keys = KEYS, data: bytes = MAIL) -> bytes:
    return frames.decode(frame, frames.content(frames.encode(frames.BLOB, data)).digest, ring)


def each_byte_altered(data: bytes) -> Iterator[bytes]:
    """The same bytes with a bit of each turned over in turn, another one each time."""
    for place in range(len(data)):
        yield data[:place] + bytes((data[place] ^ 1 << place % 8,)) + data[place + 1:]


def with_sound_crc(frame: bytes) -> bytes:
    """A frame whose header was altered by somebody who knows the format."""
    fields = frame[: frames.HEADER_SIZE - 4]
    return fields + struct.pack(">I", zlib.crc32(fields)) + frame[frames.HEADER_SIZE:]


# -- files of keyrings -------------------------------------------------------------------------------------------------

secrets = st.binary(min_size=32, max_size=32)
one_key = st.builds(Key, st.binary(min_size=16, max_size=16), secrets)
rings = st.builds(
    Ring, st.builds(Identity, st.text(max_size=40), st.text(max_size=40), st.integers(0, 2**53)),
    st.integers(1, 10**20 - 1), secrets, st.dictionaries(st.text(max_size=20), one_key, max_size=5),
    st.lists(st.builds(
        Destroyed, st.text(max_size=20), st.binary(min_size=16, max_size=16), st.integers(0, 2**53),
        st.binary(max_size=32),
    ), max_size=3).map(tuple),
)


@given(rings, secrets)
def test_a_keyring_comes_out_as_it_went_in(ring: Ring, master: bytes) -> None:
    data = keys.encode(ring, master)
    assert keys.parse(data, [master], "x") == (ring, master)
    assert keys.identity_of(data, "x") == ring.identity


def test_any_of_several_master_keys_opens_it_and_it_says_which() -> None:
    assert keys.parse(FILE, [OTHER, MASTER], "x") == (RING, MASTER)


@pytest.mark.parametrize("masters", [[], [OTHER], [bytes(32), OTHER]])
def test_another_master_key_is_refused_without_telling_any(masters: list[bytes]) -> None:
    with pytest.raises(Refused, match="encryption_key_file") as refused:
        keys.parse(FILE, masters, "keys/1.json")
    assert not any(one.hex() in str(refused.value) for one in (*masters, MASTER, RING.secret))


def test_no_altered_byte_of_a_keyring_is_taken() -> None:
    for altered in each_byte_altered(FILE):
        with pytest.raises((Damaged, Refused, NotABackup)):
            keys.parse(altered, [MASTER], "x")


@pytest.mark.parametrize("more", [b"\n", b" ", b"{}"])
def test_nothing_may_stand_behind_a_keyring(more: bytes) -> None:
    with pytest.raises(Damaged):
        keys.parse(FILE + more, [MASTER], "x")


def test_no_field_of_a_keyring_can_be_taken_from_another_one() -> None:
    """Of a former one of the same backup, or of another backup under the same master key."""
    record = json.loads(FILE)
    for ring in (RING.again(), ring_of("anna"), ring_of("anna", identity=IDENTITY._replace(server="other"))):
        other = json.loads(keys.encode(ring, MASTER))
        for field in record:
            if other[field] != record[field]:
                with pytest.raises((Damaged, Refused)):
                    keys.parse(json.dumps({**record, field: other[field]}).encode(), [MASTER], "x")


def test_a_keyring_of_a_newer_version_asks_for_an_upgrade() -> None:
    for change in ({"format": 2}, {"cipher": "ROT13"}):
        with pytest.raises(NotABackup, match="upgrade"):
            keys.parse(json.dumps({**json.loads(FILE), **change}).encode(), [MASTER], "x")


def test_ten_thousand_disturbed_keyrings_are_refused_by_name() -> None:
    rng = random.Random("keyring")
    for _time in range(10_000):
        data = mutate.octets(rng, FILE, (FILE,))
        try:
            ring, _master = keys.parse(data, [MASTER], "x")
        except (Damaged, Refused, NotABackup):
            continue
        assert data == FILE and ring == RING


def test_a_keyring_that_its_master_key_has_signed_and_that_says_nothing_is_damaged() -> None:
    """What is authentic may still be nonsense, written by a faulty program: an error of ours all the same."""
    for content in (b"", b"[]", b"{}", b"[" * 100_000, b'{"accounts":{"a":["zz","00"]},"destroyed":[]}',
                    b'{"accounts":{},"destroyed":[["a"]]}', b'{"accounts":{"a":["00"]},"destroyed":[]}'):
        record = json.loads(FILE)
        context = json.dumps(
            {field: record[field] for field in ("repository", "server", "created", "format", "cipher", "number")},
            separators=(",", ":"), sort_keys=True,
        ).encode()
        nonce = sealing.new_nonce()
        sealed = sealing.seal(sealing.derive(RING.secret, b"keyring"), nonce, content, context)
        record["keys"] = base64.b64encode(nonce + sealed).decode()
        data = json.dumps(record, separators=(",", ":"), sort_keys=True).encode() + b"\n"
        with pytest.raises(Damaged, match="altered"):
            keys.parse(data, [MASTER], "x")


@pytest.mark.parametrize("name", [
    "0" * 19 + "1.JSON", "1.json", "0" * 19 + "1.json\n", "\u0660" * 19 + "\u0661.json", "0" * 20 + ".json.tmp", "",
    "0" * 21 + ".json", "-" + "0" * 18 + "1.json",
])
def test_no_other_file_is_taken_for_a_keyring(name: str) -> None:
    assert keys.number_of(name) == 0


@given(st.integers(1, 10**20 - 1))
def test_the_name_of_a_keyring_tells_its_number(number: int) -> None:
    assert keys.number_of(keys.name(number).rpartition("/")[2]) == number


def test_two_files_of_one_keyring_have_nothing_in_common_but_what_is_said_in_the_clear() -> None:
    one, other = json.loads(FILE), json.loads(keys.encode(RING, MASTER))
    assert {field for field in one if one[field] != other[field]} == {"secret", "keys"}
    assert "anna" not in FILE.decode() and "bob" not in FILE.decode()


def test_no_secret_shows_where_keys_are_printed() -> None:
    told = " ".join(map(repr, (RING, KEYS, RING.accounts["anna"], KEYS.of_content(bytes(32)), RING.accounts)))
    told += " ".join(map(str, (RING, RING.accounts["anna"])))
    for secret in (RING.secret, RING.accounts["anna"].secret, KEYS.of_content(bytes(32)).key.secret):
        assert repr(secret) not in told and secret.hex() not in told


# -- frames and commits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [frames.BLOB, frames.SEGMENT, frames.INDEX, frames.COMMIT])
def test_what_is_closed_comes_out_again(kind: int) -> None:
    frame = closed(kind)
    assert opened(frame) == MAIL
    assert b"message" not in frame and frames.content(frames.encode(kind, MAIL)).digest not in frame


@given(st.binary(max_size=2000))
def test_any_content_comes_out_again(data: bytes) -> None:
    assert opened(closed(frames.BLOB, data), data=data) == data


@pytest.mark.parametrize("kind", [frames.BLOB, frames.SEGMENT, frames.INDEX, frames.COMMIT])
def test_no_altered_byte_of_a_frame_is_taken(kind: int) -> None:
    for altered in each_byte_altered(closed(kind)):
        with pytest.raises(Damaged):
            opened(altered)


@pytest.mark.parametrize("kind", [frames.BLOB, frames.SEGMENT, frames.INDEX, frames.COMMIT])
def test_no_byte_of_a_header_can_be_altered_by_one_who_knows_the_format(kind: int) -> None:
    frame = closed(kind)
    for altered in each_byte_altered(frame[: frames.HEADER_SIZE - 4]):
        with pytest.raises(Damaged):
            opened(with_sound_crc(altered + frame[frames.HEADER_SIZE - 4:]))


@pytest.mark.parametrize("kind", [frames.BLOB, frames.SEGMENT, frames.INDEX])
def test_a_plain_frame_is_not_taken_in_an_encrypted_backup(kind: int) -> None:
    plain = frames.encode(kind, MAIL)
    renamed = with_sound_crc(plain.replace(frames.content(plain).digest, KEYS.name(frames.content(plain).digest)))
    for frame in (plain, renamed):
        with pytest.raises(Damaged):
            opened(frame)


def test_an_encrypted_frame_is_not_taken_in_a_plain_backup() -> None:
    with pytest.raises(Damaged):
        frames.decode(closed(frames.BLOB))


def test_a_content_is_not_opened_without_its_digest() -> None:
    with pytest.raises(Damaged, match="without its digest"):
        frames.decode(closed(frames.BLOB), keys=KEYS)


def test_the_keys_of_another_backup_open_nothing() -> None:
    for kind in (frames.BLOB, frames.SEGMENT, frames.INDEX, frames.COMMIT):
        with pytest.raises(Damaged):
            opened(closed(kind), used(ring_of("anna")))


def test_one_content_has_another_name_and_other_bytes_in_each_backup_and_at_each_time() -> None:
    other = used(ring_of("anna"))
    made = [closed(frames.BLOB), closed(frames.BLOB), closed(frames.BLOB, ring=other)]
    heads = list(map(frames.header, made))
    assert heads[0].digest == heads[1].digest != heads[2].digest, "stored once in one backup, unknown to the other"
    assert len({head.nonce for head in heads}) == len({head.key for head in heads[1:]}) + 1 == 3
    assert len({one[frames.HEADER_SIZE:] for one in made}) == 3


def test_nonces_are_never_used_twice() -> None:
    assert len({frames.header(closed(frames.SEGMENT)).nonce for _time in range(500)}) == 500


def test_a_sealed_commit_comes_out_as_it_went_in() -> None:
    data = commits.encode(COMMIT, KEYS)
    assert commits.parse(data, "x", KEYS)._replace(hash="") == COMMIT


def test_no_altered_byte_of_a_sealed_commit_is_taken() -> None:
    for altered in each_byte_altered(commits.encode(COMMIT, KEYS)):
        with pytest.raises(Damaged):
            commits.parse(altered, "x", KEYS)


def test_nothing_may_stand_behind_a_sealed_commit() -> None:
    """Or one commit had many hashes."""
    with pytest.raises(Damaged):
        commits.parse(commits.encode(COMMIT, KEYS) + b"\n", "x", KEYS)


@pytest.mark.parametrize("kind", [frames.BLOB, frames.SEGMENT, frames.INDEX])
def test_no_other_frame_of_the_backup_is_taken_for_a_commit(kind: int) -> None:
    """Not even one whose content is a commit: a message that says so, sent to somebody by mail."""
    with pytest.raises(Damaged):
        commits.parse(closed(kind, commits.encode(COMMIT)), "x", KEYS)


def test_ten_thousand_disturbed_sealed_commits_are_refused_by_name() -> None:
    rng = random.Random("sealed commit")
    whole = commits.encode(COMMIT, KEYS)
    for _time in range(10_000):
        data = mutate.octets(rng, whole, (whole,))
        if data != whole:
            try:
                commits.parse(data, "x", KEYS)
            except Damaged:
                continue
            pytest.fail(repr(data))


# -- which key ---------------------------------------------------------------------------------------------------------


def test_a_key_that_a_writer_has_added_since_is_looked_up_again() -> None:
    before = ring_of()
    after = before.with_accounts({"anna": Key(b"a" * 16, bytes(32))})
    frame = closed(frames.SEGMENT, ring=used(after))
    reader = Keys(before, lambda: after)
    digest = frames.content(frames.encode(frames.SEGMENT, MAIL)).digest
    assert frames.decode(frame, digest, reader) == MAIL
    assert reader.ring == after


def test_a_forgotten_account_is_told_from_a_key_that_is_unknown() -> None:
    full = used(ring_of("anna"))
    frame = closed(frames.SEGMENT, ring=full)
    with pytest.raises(Forgotten, match="anna"):
        frames.decode(frame, keys=used(full.ring.without_accounts({"anna": b""}, 5)))
    with pytest.raises(Damaged, match="keyring is older"):
        frames.decode(frame, keys=used(full.ring._replace(accounts={})))


def test_an_account_that_comes_back_gets_another_key() -> None:
    full = used(ring_of("anna"))
    again = used(full.ring.without_accounts({"anna": b""}, 5))
    again.of_account("anna", bytes(32))
    pending = again.pending()
    assert pending is not None and pending.accounts["anna"] != full.ring.accounts["anna"]
    assert again.forgotten() == {"anna"} and used(pending).forgotten() == set()


def test_a_newer_keyring_is_looked_for_once_for_each_unknown_key() -> None:
    looks: list[int] = []
    ring = Keys(RING, lambda: looks.append(1) or RING)
    for _again in range(3):
        for unknown in (b"u" * keys.KEY_ID_SIZE, b"v" * keys.KEY_ID_SIZE):
            with pytest.raises(Damaged, match="the keyring is older"):
                ring.secret(unknown)
    assert len(looks) == 2


def test_keys_that_are_not_kept_yet_outlive_a_look_for_a_newer_keyring() -> None:
    """Or what was closed with them could be opened by nobody, as soon as something damaged lies beside it."""
    own = used(ring_of("anna"))
    lock = own.of_account("carl", bytes(32))
    with pytest.raises(Damaged):
        own.secret(b"unknown key id..")
    pending = own.pending()
    assert pending is not None and pending.accounts["carl"] == lock.key
    assert own.of_account("carl", bytes(32)).key == lock.key


def test_nothing_is_pending_once_it_is_kept() -> None:
    own = used(ring_of("anna"))
    own.of_account("carl", bytes(32))
    pending = own.pending()
    assert pending is not None
    own.keep(pending)
    assert own.pending() is None


def test_a_key_that_is_pending_does_not_take_the_place_of_the_one_that_another_process_has_kept() -> None:
    own = used(ring_of("anna"))
    own.of_account("carl", bytes(32))
    theirs = Key(b"c" * keys.KEY_ID_SIZE, bytes(32))
    own.keep(own.ring.with_accounts({"carl": theirs}))
    assert own.pending() is None
    assert own.of_account("carl", bytes(32)).key == theirs


def test_what_is_pending_is_dropped_with_what_it_was_given_for() -> None:
    own = used(ring_of("anna"))
    first = own.of_account("carl", bytes(32)).key
    own.drop_pending()
    assert own.pending() is None and own.of_account("carl", bytes(32)).key != first


def test_no_keyring_takes_the_place_of_a_newer_one() -> None:
    """Such as one that a thread has read before another one kept the next."""
    first = ring_of("anna")
    second, third = first.again(), first.again().again()
    own = Keys(first, lambda: own.keep(third) or second)
    assert own.reach(second.number) and own.ring is third
    own.keep(second)
    assert own.ring is third


def test_keyrings_are_read_and_kept_by_one_thread_at_a_time() -> None:
    ring = ring_of("anna")
    reading, at_once = threading.Event(), []

    def newer() -> Ring:
        at_once.append(reading.is_set())
        reading.set()
        time.sleep(0.05)
        reading.clear()
        return ring

    own = Keys(ring, newer)
    threads = [threading.Thread(target=own.reach, args=(ring.number + 1,)) for _again in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert at_once == [False] * 3


def test_who_reads_while_a_keyring_is_kept_sees_the_former_one_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    own, derive = used(keys.new_ring(IDENTITY)), sealing.derive
    seen: list[tuple[object, ...]] = []

    def look() -> tuple[object, ...]:
        return own.ring.number, own.of_repository(bytes(32)), own.of_content(bytes(32)), own.alias("anna")

    def derive_and_look(secret: bytes, label: bytes) -> bytes:
        with monkeypatch.context() as patched:
            patched.setattr(sealing, "derive", derive)
            seen.append(look())
        return derive(secret, label)

    before = look()
    with monkeypatch.context() as patched:
        patched.setattr(sealing, "derive", derive_and_look)
        own.keep(ring_of("anna"))
    assert set(seen) == {before} and look() != before


@settings(max_examples=50)
@given(st.text(max_size=30), st.text(max_size=30))
def test_an_alias_is_of_one_address_whatever_its_case(one: str, other: str) -> None:
    assert (KEYS.alias(one) == KEYS.alias(other)) == (one.lower() == other.lower())
    assert used(ring_of()).alias(one) != KEYS.alias(one)
