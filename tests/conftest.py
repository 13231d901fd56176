# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every test needs: the checkout, importable as the collection it is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.encrypted import encrypt_all

CHECKOUT = Path(__file__).resolve().parent.parent
CORPUS_MESSAGES = 150
COLLECTIONS = CHECKOUT / "build" / "collections"


def make_collection_importable() -> None:
    """Link the checkout to where Ansible and Python look for restante.carbonio, whatever the checkout is called."""
    link = COLLECTIONS / "ansible_collections" / "restante" / "carbonio"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        try:
            link.symlink_to(CHECKOUT, target_is_directory=True)
        except FileExistsError:  # another test process was quicker
            pass
    if str(COLLECTIONS) not in sys.path:
        sys.path.insert(0, str(COLLECTIONS))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say how much of the corpus of real mail tests take that would need long for all of it."""
    parser.addoption(
        "--corpus-messages", type=int, default=CORPUS_MESSAGES, metavar="N",
        help="how many messages of the corpus of real mail, where there is one, go through a mail server; 0 for all",
    )


make_collection_importable()
encrypt_all()
