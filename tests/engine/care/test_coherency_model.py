# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever is harmed, in whatever combination: held against a list of what each side still has."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.directory import DirectoryArchive
from ansible_collections.restante.carbonio.plugins.module_utils.backup import packs
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.engine.backup.conftest import ANNA, fill, message, opened, without_catalogue
from tests.engine.care.coherency_kit import archive_of, check, contents, copy, files_of, fix, harm, histories

HERE, THERE = "backup", "archive"
WAYS = ("flip", "cut", "empty", "delete")


class Harm(NamedTuple):
    """Something is done to a file."""

    side: str
    kind: str
    which: int
    how: str
    seed: int


HARMFUL = st.builds(
    Harm, st.sampled_from([HERE, THERE]), st.sampled_from(["commits", packs.METADATA, packs.BLOBS]),
    st.integers(0, 30), st.sampled_from(WAYS), st.integers(0, 99),
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sound")
    fill(root / HERE)
    Uploader(opened(root / HERE), archive_of(root / THERE)).sync()
    return root


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(st.lists(HARMFUL, min_size=1, max_size=6), st.booleans())
def test_what_either_side_has_is_there_afterwards(
    tmp_path_factory: pytest.TempPathFactory, sound: Path, harms: list[Harm], keep_catalogue: bool
) -> None:
    """R-250: nothing intact is lost, and what is lost is told; afterwards the backup can be used and is coherent."""
    root = copy(sound, tmp_path_factory.mktemp("harmed") / "root")
    repository = opened(root / HERE)
    past, texts = histories(repository), contents(repository)
    pack_of = {place.digest: packs.file_name(place.pack) for place in repository.locate(texts).values()}
    repository.close()
    names = {
        kind: [str(path.relative_to(root / HERE)) for path in files_of(root / HERE, kind)]
        for kind in ("commits", packs.METADATA, packs.BLOBS)
    }
    gone: dict[str, set[str]] = {HERE: set(), THERE: set()}
    for one in harms:
        name = names[one.kind][one.which % len(names[one.kind])]
        if name not in gone[one.side]:
            harm(root / one.side / name, one.how, random.Random(one.seed))
            gone[one.side].add(name)
    both = gone[HERE] & gone[THERE]
    if not keep_catalogue:
        without_catalogue(root / HERE)
    archive = DirectoryArchive(str(root / THERE))
    fix(root / HERE, archive)
    Uploader(opened(root / HERE), archive).sync()
    assert not fix(root / HERE, archive, folder="again").changed
    repository = opened(without_catalogue(root / HERE))
    assert repository.damages() == []
    now, left = histories(repository), contents(repository)
    repository.close()
    metadata_whole = not both & {*names[packs.METADATA], *names["commits"]}
    if metadata_whole:
        assert now == past
        assert {digest for digest in texts if pack_of[digest] not in both} <= left.keys()
    assert left.items() <= texts.items()
    found = check(root / HERE, archive)
    assert found.is_coherent
    if metadata_whole:
        assert found.lost_contents == len(texts) - len(left)
    with opened(root / HERE).writer() as writer:
        message(writer, ANNA, 99, at=10**9)
        writer.commit()
    Uploader(opened(root / HERE), archive).sync()
    assert check(root / HERE, archive).is_coherent
    shutil.rmtree(root)
