# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/rescue.py gets the mail out by what docs/format.md says, without the collection."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits, packs
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import ItemState

from tests.conftest import CHECKOUT
from tests.engine.backup.conftest import ANNA, BOB, content, opened, pack_path, without_catalogue


def rescue(path: Path, *arguments: str, status: int = 0) -> tuple[str, str]:
    """Run the script by itself; return what it says and what it says is damaged."""
    command = [sys.executable, "-I", str(CHECKOUT / "docs" / "rescue.py"), str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=60, check=False)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def copied(backup: Path) -> Path:
    """What a bucket has of a backup: no catalogue and no open area."""
    shutil.rmtree(backup / "open")
    return without_catalogue(backup)


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
def test_it_says_how_it_is_called(copied: Path, arguments: tuple[str, ...]) -> None:
    assert "usage" in rescue(copied, *arguments, status=2)[1]


@pytest.mark.parametrize("damage", ["missing", "altered", "cut short"])
def test_it_names_a_damaged_pack_of_contents_and_extracts_the_rest(copied: Path, tmp_path: Path, damage: str) -> None:
    name = commits.parse((copied / commits.name(1)).read_bytes(), "").packs[0].name
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
    named = commits.parse((copied / commits.name(3)).read_bytes(), "").packs
    [pack] = [pack for pack in named if pack.kind == packs.METADATA]
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
    with opened(backup).writer() as writer:
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
