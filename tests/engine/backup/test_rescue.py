# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/rescue.py gets the mail out by what docs/format.md says, without the collection."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits, keys, packs
from ansible_collections.restante.carbonio.plugins.module_utils.backup.commits import PackInfo
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState

from tests.conftest import CHECKOUT
from tests.encrypted import MASTER
from tests.engine.backup.conftest import ANNA, BOB, account, content, fill, opened, pack_path, without_catalogue

SCRIPT = str(CHECKOUT / "docs" / "rescue.py")


def masters_of(path: Path) -> tuple[bytes, ...]:
    """Return what opens a backup."""
    return (MASTER,) if commits.parse_format((path / commits.FORMAT_FILE).read_bytes(), "").encrypted else ()


def rescue(
    path: Path, *arguments: str, status: int = 0, key: str | None = None, python: Sequence[str] = (SCRIPT,)
) -> tuple[str, str]:
    """Run the script by itself; return what it says and what it says is damaged.

    :param key: the master key in the environment; None for the right one. :param python: what Python is to run.
    """
    if key is None:
        key = "".join(master.hex() for master in masters_of(path))
    done = subprocess.run(
        [sys.executable, "-I", *python, str(path), *arguments], capture_output=True, text=True, cwd="/", timeout=60,
        env={**os.environ, "RESTANTE_MASTER_KEY": key}, check=False,
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


@pytest.fixture(params=["plain", "encrypted"])
def backup(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A filled Backup Path."""
    fill(tmp_path / "backup", (MASTER,) if request.param == "encrypted" else ())
    return tmp_path / "backup"


@pytest.fixture
def copied(backup: Path) -> Path:
    """What a bucket has of a backup: no catalogue and no open area."""
    return in_a_bucket(backup)


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """What a bucket has of a backup that is encrypted."""
    fill(tmp_path / "backup", (MASTER,))
    return in_a_bucket(tmp_path / "backup")


def in_a_bucket(path: Path) -> Path:
    shutil.rmtree(path / "open")
    return without_catalogue(path)


def packs_of(path: Path, seq: int) -> tuple[PackInfo, ...]:
    """Return the packs that a commit names."""
    with closing(opened(path, masters=masters_of(path))) as repository:
        return repository.commit(seq).packs


def files(target: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(target)): path.read_bytes()
        for path in target.rglob("*") if path.is_file() and path.name != "items.jsonl"
    }


def test_it_lists_accounts_as_they_were(copied: Path) -> None:
    assert rescue(copied, "accounts")[0] == f"{ANNA} {ANNA}@example.com\n{BOB} {BOB}@example.com\n"
    assert rescue(copied, "accounts", "--at", "299")[0] == f"{ANNA} {ANNA}@example.com\n"
    assert rescue(copied, "accounts", "--at", "1970-01-01T01:00:00.299+01:00")[0].count("\n") == 1


def test_it_lists_items_as_they_were(copied: Path) -> None:
    for when, ids in (("509", {*range(10, 30)}), ("510", {*range(10, 30)} - {11}), ("115", {10, 11})):
        listed = rescue(copied, "list", f"{ANNA}@example.com", "--at", when)[0]
        lines = [json.loads(line) for line in listed.splitlines()]
        assert {int(line[0]) for line in lines if line[1] == kinds.MESSAGE} == ids
        assert {line[4] for line in lines if line[1] == kinds.MESSAGE} == {"Inbox"}


def test_it_extracts_one_item_or_all(copied: Path, tmp_path: Path) -> None:
    rescue(copied, "extract", ANNA, "11", str(tmp_path / "one"), "--at", "509")
    assert files(tmp_path / "one") == {"Inbox/11.eml": content(11)}
    rescue(copied, "extract", ANNA, "--all", str(tmp_path / "all"))
    numbers = {*range(10, 30)} - {11}
    assert files(tmp_path / "all") == {f"Inbox/{number}.eml": content(number) for number in numbers}
    described = [json.loads(line) for line in (tmp_path / "all" / "items.jsonl").read_text().splitlines()]
    assert {line["item"]: line.get("flags") for line in described if line["kind"] == "message"}["10"] == "f"


@pytest.mark.parametrize("arguments", [
    ("list", "nobody"), ("extract", ANNA, "11", "/nowhere"), ("extract", ANNA, "nothing", "/nowhere"),
])
def test_it_says_that_something_is_not_there(copied: Path, arguments: tuple[str, ...]) -> None:
    assert rescue(copied, *arguments, status=1)[0] == ""


@pytest.mark.parametrize("arguments", [
    (), ("extract", ANNA, "/target"), ("extract", ANNA, "10", "/target", "--all"), ("accounts", "--at", "tomorrow"),
])
def test_it_says_how_it_is_called(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert "usage" in rescue(tmp_path, *arguments, status=2, key="")[1]


@pytest.mark.parametrize("damage", ["missing", "altered", "cut short"])
def test_it_names_a_damaged_pack_of_contents_and_extracts_the_rest(copied: Path, tmp_path: Path, damage: str) -> None:
    name = packs_of(copied, 1)[0].name
    path = pack_path(copied, name)
    data = bytearray(path.read_bytes())
    data[400] ^= 1
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data if damage == "altered" else data[:3000])
    errors = rescue(copied, "extract", ANNA, "--all", str(tmp_path / "all"), status=1)[1]
    assert name in errors
    extracted = files(tmp_path / "all")
    assert 19 > len(extracted) >= 10
    assert all(data == content(int(Path(file).stem)) for file, data in extracted.items())


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_it_names_a_damaged_pack_of_metadata_and_extracts_what_the_others_say(
    copied: Path, tmp_path: Path, damage: str
) -> None:
    [pack] = [pack for pack in packs_of(copied, 3) if pack.kind == packs.METADATA]
    path = pack_path(copied, pack.name)
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes().replace(b"RSTF", b"XXXX"))
    assert pack.name in rescue(copied, "extract", ANNA, "--all", str(tmp_path / "all"), status=1)[1]
    assert files(tmp_path / "all") == {f"Inbox/{number}.eml": content(number) for number in range(10, 30)}


@pytest.mark.parametrize("lost", [[2], [1, 2, 3]])
def test_it_copes_with_lost_commits(copied: Path, tmp_path: Path, lost: list[int]) -> None:
    for seq in lost:
        (copied / commits.name(seq)).write_bytes(b"")
    assert "damaged" in rescue(copied, "extract", ANNA, "--all", str(tmp_path / "all"), status=1)[1]
    assert len(files(tmp_path / "all")) == 19


def test_it_stays_in_its_target_whatever_names_say(backup: Path, tmp_path: Path) -> None:
    with opened(backup, masters=masters_of(backup)).writer() as writer:
        digest = writer.put_blob(b"bad")
        for number, name in enumerate(("../../..", "/etc", "a\x00b", "\udcff", "x" * 300, "", "..")):
            writer.append(ANNA, f"f{number}", kinds.FOLDER, ItemState(f"f{number}", kinds.FOLDER, "1", name))
            item_id = f"../{number}"
            writer.append(
                ANNA, item_id, kinds.DOCUMENT,
                ItemState(item_id, kinds.DOCUMENT, f"f{number}", name, digest=digest, size=3),
            )
        writer.append(ANNA, "f9", kinds.FOLDER, ItemState("f9", kinds.FOLDER, "f9", "its own parent"))
        writer.append(ANNA, "9", kinds.DOCUMENT, ItemState("9", kinds.DOCUMENT, "f9", "doc", digest=digest, size=3))
        writer.commit()
    target = tmp_path / "inner" / "target"
    rescue(backup, "extract", ANNA, "--all", str(target))
    assert list(files(target).values()).count(b"bad") == 8
    assert [path.name for path in (tmp_path / "inner").iterdir()] == ["target"]


# -- what is encrypted -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["hexadecimal", "base64", "after another one"])
def test_it_takes_the_master_key_from_a_file(sealed: Path, tmp_path: Path, written: str) -> None:
    texts = {
        "hexadecimal": MASTER.hex().upper() + "\n",
        "base64": base64.b64encode(MASTER).decode(),
        "after another one": f"{bytes(32).hex()}\n{MASTER.hex()}\n",
    }
    file = tmp_path / "master.key"
    file.write_text(texts[written])
    assert rescue(sealed, "accounts", "--key-file", str(file), key="")[0].count("\n") == 2


@pytest.mark.parametrize(("key", "sentence"), [
    ("", "name its master key"),
    (bytes(32).hex(), "name the right master key"),
    ("AAAA", "it must be 32 bytes"),
    ("no key at all", "it must be 32 bytes"),
])
def test_it_says_which_master_key_it_needs(sealed: Path, key: str, sentence: str) -> None:
    said, errors = rescue(sealed, "accounts", key=key, status=1)
    assert said == "" and sentence in errors


def test_it_says_that_a_file_with_a_key_is_not_there_or_empty(sealed: Path, tmp_path: Path) -> None:
    for file in (tmp_path / "nothing", Path(os.devnull)):
        assert "master key" in rescue(sealed, "accounts", "--key-file", str(file), status=1)[1]


def test_a_plain_backup_in_the_place_of_an_encrypted_one_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "backup", ())
    assert "is not encrypted" in rescue(tmp_path / "backup", "accounts", key=MASTER.hex(), status=1)[1]


def test_it_needs_cryptography_for_what_is_encrypted_alone(copied: Path) -> None:
    hidden = "import runpy, sys; sys.modules['cryptography'] = None; "
    without = hidden + "runpy.run_path(sys.argv.pop(1), run_name='__main__')"
    is_encrypted = bool(masters_of(copied))
    said, errors = rescue(copied, "accounts", status=int(is_encrypted), python=("-c", without, SCRIPT))
    assert ("apt-get install python3-cryptography" in errors) == is_encrypted
    assert (ANNA in said) != is_encrypted


@pytest.mark.parametrize("damage", ["missing", "cut short", "altered", "of another backup", "nested too deep"])
def test_it_says_that_there_is_no_keyring(sealed: Path, tmp_path: Path, damage: str) -> None:
    [file] = (sealed / keys.DIRECTORY).iterdir()
    data = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "cut short":
        file.write_bytes(data[:-60])
    elif damage == "altered":
        file.write_bytes(data.replace(b'"number":', b'"number":1'))
    elif damage == "nested too deep":
        file.write_bytes(b"[" * 100_000)
    else:
        fill(tmp_path / "other", (bytes(32),))
        shutil.copy(next((tmp_path / "other" / keys.DIRECTORY).iterdir()), file)
    assert "No keyring" in rescue(sealed, "accounts", status=1)[1]


def test_it_takes_an_older_keyring_where_the_newest_is_damaged(sealed: Path, tmp_path: Path) -> None:
    [file] = (sealed / keys.DIRECTORY).iterdir()
    newer = sealed / keys.name(keys.number_of(file.name) + 1)
    newer.write_bytes(file.read_bytes()[:100])
    errors = rescue(sealed, "extract", ANNA, "--all", str(tmp_path / "all"), status=1)[1]
    assert errors.count("damaged") == 1 and newer.name in errors
    assert len(files(tmp_path / "all")) == 19


def test_it_names_what_needs_a_key_of_a_newer_keyring(sealed: Path, tmp_path: Path) -> None:
    [old] = (sealed / keys.DIRECTORY).iterdir()
    data = old.read_bytes()
    with closing(opened(sealed, masters=(MASTER,))) as repository, repository.writer() as writer:
        account(writer, "carl", 600)
        writer.commit()
    for file in (sealed / keys.DIRECTORY).iterdir():
        file.unlink()
    old.write_bytes(data)
    said, errors = rescue(sealed, "accounts", status=1)
    assert "newer keyring" in errors
    assert said.count("\n") == 2


def test_a_forgotten_account_is_no_damage(sealed: Path, tmp_path: Path) -> None:
    with closing(opened(sealed, masters=(MASTER,))) as repository, repository.writer() as writer:
        writer.forget({ANNA: f"{ANNA}@example.com"}, 600)
    assert rescue(sealed, "accounts") == (f"{BOB} {BOB}@example.com\n", "")
    for name in (ANNA, f"{ANNA}@Example.com"):
        assert "was forgotten" in rescue(sealed, "list", name, status=1)[1]
    assert rescue(sealed, "extract", BOB, "--all", str(tmp_path / "all"))[1] == ""
    assert files(tmp_path / "all") == {f"Inbox/{number}.eml": content(number) for number in range(30, 40)}


def test_it_believes_no_commit_that_another_has_written(sealed: Path, tmp_path: Path) -> None:
    fill(tmp_path / "plain", ())
    shutil.copy(tmp_path / "plain" / commits.name(2), sealed / commits.name(3))
    shutil.copy(sealed / commits.name(2), sealed / commits.name(4))
    errors = rescue(sealed, "list", ANNA, status=1)[1]
    assert commits.name(3) in errors and "not sealed" in errors
    assert commits.name(4) in errors and "it is commit 2" in errors


def test_it_believes_no_frame_that_is_not_encrypted(sealed: Path, tmp_path: Path) -> None:
    """What somebody else appends to a pack is named, and not taken for mail."""
    fill(tmp_path / "plain", ())
    [mine] = [pack for pack in packs_of(sealed, 3) if pack.kind == packs.METADATA]
    [other] = [pack for pack in packs_of(tmp_path / "plain", 3) if pack.kind == packs.METADATA]
    with pack_path(sealed, mine.name).open("ab") as file:
        file.write(pack_path(tmp_path / "plain", other.name).read_bytes())
    errors = rescue(sealed, "extract", ANNA, "--all", str(tmp_path / "all"), status=1)[1]
    assert "is not encrypted, and the backup is" in errors
    assert len(files(tmp_path / "all")) == 19


def test_it_knows_an_encrypted_backup_without_its_format(sealed: Path) -> None:
    (sealed / commits.FORMAT_FILE).unlink()
    said, errors = rescue(sealed, "accounts", status=1, key=MASTER.hex())
    assert said.count("\n") == 2 and commits.FORMAT_FILE in errors


def test_it_refuses_a_newer_format(copied: Path) -> None:
    file = copied / commits.FORMAT_FILE
    file.write_text(json.dumps({**json.loads(file.read_bytes()), "features": ["telepathy"]}))
    assert "newer version" in rescue(copied, "accounts", status=1, key="")[1]
