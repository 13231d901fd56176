# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files into a mailbox and out of it again, byte for byte, whatever is in them."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from ansible_collections.restante.carbonio.plugins.module_utils.exchange import readers, sample
from ansible_collections.restante.carbonio.plugins.module_utils.exchange.exporter import export_account
from ansible_collections.restante.carbonio.plugins.module_utils.exchange.importer import import_path
from ansible_collections.restante.carbonio.plugins.module_utils.exchange.readers import Found, Problem, read
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CHECKOUT = Path(__file__).resolve().parents[3]
CORPUS = CHECKOUT.parent / "shared" / "corpus"
MAIL = b"From: a@example.com\r\nDate: Tue, 28 Mar 2023 09:29:49 +0200\r\nSubject: x\r\n\r\nbody\r\n"
ACCOUNT = "a-1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    """A mail server with one account."""
    store = EmbeddedStore.create(str(tmp_path / "store"))
    store.set_redo_log(False)
    store.create_entry(Entry("d-1", kinds.DOMAIN, "example.com"))
    store.create_entry(Entry(ACCOUNT, kinds.ACCOUNT, "anna@example.com"))
    yield store
    store.close()


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Return an archive of these members."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def contents(store: EmbeddedStore, account: str = ACCOUNT) -> Counter[tuple[str, str]]:
    """Return kind and SHA-256 of all that an account holds, read anew."""
    return Counter(
        (item.kind, hashlib.sha256(store.read_blob(account, item.item_id)).hexdigest())
        for item in store.changes(account).items
        if item.digest
    )


def found(path: Path) -> list[Found]:
    """Return what was read from a path, which must be all of it."""
    things = list(read(str(path)))
    assert not [thing for thing in things if isinstance(thing, Problem)], things
    return [thing for thing in things if isinstance(thing, Found)]


def test_a_message_file_is_one_message_with_all_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(b"From nobody at once\n" + MAIL)
    (tmp_path / "17.").write_bytes(MAIL)
    things = found(tmp_path)
    assert sorted(thing.content for thing in things) == sorted([b"From nobody at once\n" + MAIL, MAIL])
    assert {thing.date for thing in things} == {1679988589000}


def test_an_mbox_is_split_and_keeps_the_bytes_of_each(tmp_path: Path) -> None:
    text = b"From a Mon\n" + b"Subject: 1\n\none\n" + b"\nFrom b Tue\n" + b"Subject: 2\n\n>From here on\n"
    (tmp_path / "old.mbox").write_bytes(text)
    (tmp_path / "new.mbox.gz").write_bytes(gzip.compress(text))
    by_folder = {thing.folder: [] for thing in found(tmp_path)}  # type: dict[tuple[str, ...], list[bytes]]
    for thing in found(tmp_path):
        by_folder[thing.folder].append(thing.content)
    expected = [b"Subject: 1\n\none\n", b"Subject: 2\n\n>From here on\n"]
    assert by_folder == {("old",): expected, ("new",): expected}


def test_a_maildir_gives_folders_and_flags(tmp_path: Path) -> None:
    for folder in ("cur", "new", "tmp", ".Work.2026/cur", ".Work.2026/new"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "cur" / "1.a:2,FRS").write_bytes(MAIL)
    (tmp_path / "new" / "2.a").write_bytes(MAIL)
    (tmp_path / "tmp" / "3.a").write_bytes(MAIL)
    (tmp_path / ".Work.2026" / "cur" / "4.a:2,T").write_bytes(MAIL)
    assert sorted((thing.folder, thing.flags) for thing in found(tmp_path)) == [
        ((), "fr"), ((), "u"), (("Work", "2026"), "xu"),
    ]


def test_calendars_and_cards_are_cut_at_their_blocks(tmp_path: Path) -> None:
    event = b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    todo = b"BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:2\nEND:VTODO\nEND:VCALENDAR\n"
    card, group = b"BEGIN:VCARD\nFN:A\nEND:VCARD\n", b"BEGIN:VCARD\nKIND:group\nFN:G\nEND:VCARD\n"
    (tmp_path / "a.ics").write_bytes(event + todo)
    (tmp_path / "b.vcf").write_bytes(card + group)
    (tmp_path / "c.ics").write_bytes(b"no calendar at all")
    (tmp_path / "d.sieve").write_bytes(b"keep;")
    assert sorted((thing.kind, thing.content) for thing in found(tmp_path)) == sorted([
        (kinds.APPOINTMENT, event), (kinds.TASK, todo), (kinds.CONTACT, card), (kinds.CONTACT_GROUP, group),
        (kinds.APPOINTMENT, b"no calendar at all"), (kinds.FILTER_SET, b"keep;"),
    ])


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tar.zst"])
def test_an_archive_is_read_as_a_folder_and_leads_nowhere_else(tmp_path: Path, ending: str) -> None:
    link = tarfile.TarInfo("link.eml")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    data = tar((tarfile.TarInfo("../../etc/1.eml"), MAIL), (tarfile.TarInfo("/root/2.eml"), MAIL), (link, b""))
    pack = {".tar": bytes, ".tar.gz": gzip.compress, ".tar.zst": zstandard.ZstdCompressor().compress}[ending]
    (tmp_path / f"mail{ending}").write_bytes(pack(data))
    things = list(read(str(tmp_path)))
    assert [thing.folder for thing in things if isinstance(thing, Found)] == [("mail", "etc"), ("mail", "root")]
    assert [thing.source for thing in things if isinstance(thing, Problem)] == [f"mail{ending}/link.eml"]


def test_what_cannot_be_read_is_named_and_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "LARGEST", 1000)
    (tmp_path / "good.eml").write_bytes(MAIL)
    (tmp_path / "large.eml").write_bytes(MAIL + bytes(1000))
    (tmp_path / "bomb.mbox.gz").write_bytes(gzip.compress(b"From a\n" + bytes(20_000_000)))
    (tmp_path / "torn.mbox.gz").write_bytes(gzip.compress(MAIL * 50)[:40])
    (tmp_path / "torn.tar.zst").write_bytes(zstandard.compress(tar((tarfile.TarInfo("1.eml"), MAIL * 40)))[:60])
    (tmp_path / "huge.tar").write_bytes(tar((tarfile.TarInfo("1.eml"), bytes(5000))))
    (tmp_path / "link.eml").symlink_to("/etc/passwd")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    os.mkfifo(tmp_path / "pipe.eml")
    things = list(read(str(tmp_path)))
    assert [thing.source for thing in things if isinstance(thing, Found)] == ["good.eml"]
    named = {thing.source.split("/")[0].split("#")[0] for thing in things if isinstance(thing, Problem)}
    assert named == {path.name for path in tmp_path.iterdir()} - {"good.eml"}


def test_a_source_that_is_not_there_gets_a_sentence(store: EmbeddedStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not exist"):
        import_path(store, ACCOUNT, str(tmp_path / "nowhere"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400), st.sampled_from([".eml", ".mbox", ".mbox.gz", ".ics", ".vcf", ".tar", ".tar.gz",
                                                 ".tar.zst", ".sieve", ""]))
def test_no_content_fails_the_reading(tmp_path: Path, content: bytes, ending: str) -> None:
    path = tmp_path / f"thing{ending}"
    path.write_bytes(content)
    list(read(str(path)))


def test_importing_again_changes_nothing(store: EmbeddedStore, tmp_path: Path) -> None:
    source = tmp_path / "mail"
    (source / "Work").mkdir(parents=True)
    (source / "1.eml").write_bytes(MAIL)
    (source / "Work" / "2.eml").write_bytes(MAIL)
    (source / "a.sieve").write_bytes(b"keep;")
    (source / "b.sieve").write_bytes(b"stop;")
    planned = import_path(store, ACCOUNT, str(source), "Old", dry_run=True)
    assert planned.changed and not contents(store)
    first = import_path(store, ACCOUNT, str(source), "Old")
    assert sum(first.imported.values()) == 4 and not first.problems
    before = contents(store)
    again = import_path(store, ACCOUNT, str(source), "Old")
    assert not again.changed and sum(again.existed.values()) == 4
    assert contents(store) == before
    assert {folder.name for folder in store.folders(ACCOUNT)} >= {"Old", "Work"}


def test_what_is_exported_can_be_imported_again(store: EmbeddedStore, tmp_path: Path) -> None:
    sample.fill(store, messages=45)
    source = store.find_entry(kinds.ACCOUNT, sample.ACCOUNTS[1])
    assert source is not None
    target = tmp_path / "export"
    first = export_account(store, source.entry_id, str(target))
    assert not first.problems
    assert not export_account(store, source.entry_id, str(target)).changed
    import_path(store, ACCOUNT, str(target / "Maildir"))
    messages = Counter({key: n for key, n in contents(store, source.entry_id).items() if key[0] == kinds.MESSAGE})
    assert contents(store) == messages


def test_other_flags_rename_an_exported_message(store: EmbeddedStore, tmp_path: Path) -> None:
    state = ItemState("", kinds.MESSAGE, "2", flags="u", date=1_700_000_000_000)
    item = store.write_items(ACCOUNT, [NewItem("1", state, MAIL)])[0].item_id
    export_account(store, ACCOUNT, str(tmp_path / "out"))
    now = store.item(ACCOUNT, item)
    assert now is not None
    store.update_item(ACCOUNT, now._replace(flags="f"))
    assert export_account(store, ACCOUNT, str(tmp_path / "out")).changed
    assert [path.name for path in (tmp_path / "out").rglob("*.restante:*")] == [f"1700000000.{item}.restante:2,FS"]


def test_what_a_killed_export_has_left_half_written_is_in_nobodys_way(store: EmbeddedStore, tmp_path: Path) -> None:
    store.write_items(ACCOUNT, [NewItem("1", ItemState("", kinds.MESSAGE, "2", date=1_700_000_000_000), MAIL)])
    target = tmp_path / "out"
    export_account(store, ACCOUNT, str(target))
    [message] = target.glob("Maildir/cur/*")
    message.rename(f"{message}.part")
    message.with_name(message.name[:-1] + "F,S.part").write_bytes(b"Subj")
    report = export_account(store, ACCOUNT, str(target))
    assert not report.problems
    assert [path.read_bytes() for path in target.glob("Maildir/cur/*")] == [MAIL]


@pytest.mark.parametrize("name", ["..", "../../etc", "/absolute", ".", "a\nb", "x" * 300, "名" * 150])
def test_no_folder_leads_out_of_the_export(store: EmbeddedStore, tmp_path: Path, name: str) -> None:
    folder = store.write_items(ACCOUNT, [NewItem("f", ItemState("", kinds.FOLDER, "1", name))])[0]
    if folder.error:
        return  # a name that the mail server itself refuses
    state = ItemState("", kinds.MESSAGE, folder.item_id, date=1_700_000_000_000)
    store.write_items(ACCOUNT, [NewItem("1", state, MAIL)])
    before = set(tmp_path.iterdir())
    report = export_account(store, ACCOUNT, str(tmp_path / "out"))
    assert report.exported[kinds.MESSAGE] == 1
    assert set(tmp_path.iterdir()) - before == {tmp_path / "out"}
    inside = (tmp_path / "out").resolve()
    assert all(inside in path.resolve().parents for path in (tmp_path / "out").rglob("*.restante:*"))


def test_the_sample_is_the_same_for_the_same_seed_and_has_every_kind(tmp_path: Path) -> None:
    held = []
    for name in ("one", "two"):
        store = EmbeddedStore.create(str(tmp_path / name))
        store.set_redo_log(False)
        counts = sample.fill(store, seed=3, messages=50)
        sample.churn(store, seed=3, steps=15)
        assert set(counts) >= set(kinds.ITEM_KINDS) - {kinds.MOUNTPOINT}
        held.append([contents(store, entry.entry_id) for entry in store.entries(kinds.ACCOUNT)])
        assert any(item.kind == kinds.MOUNTPOINT for entry in store.entries(kinds.ACCOUNT)
                   for item in store.changes(entry.entry_id).items)
        store.close()
    assert held[0] == held[1]


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the corpus of real mail is not at {CORPUS}")
def test_real_mail_comes_in_whole(store: EmbeddedStore) -> None:
    """Every message file's bytes are in the mailbox; mbox files are counted by the corpus's own record."""
    for folder, expected in (("mail", 5606), ("weird", 365)):
        report = import_path(store, ACCOUNT, str(CORPUS / folder), folder)
        assert report.imported[kinds.MESSAGE] == expected
        # One mbox of the corpus has bytes before its first message, which are no mail but are told of.
        assert {problem.source for problem in report.problems} <= {"mimekit--mbox-unmunged.mbox"}
    held = contents(store)
    for path in (CORPUS / "weird").glob("*.eml"):
        assert held[kinds.MESSAGE, hashlib.sha256(path.read_bytes()).hexdigest()]
