# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules return beside what Ansible itself reads in a result."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

MODULES = sorted((Path(__file__).resolve().parents[3] / "plugins" / "modules").glob("[a-z]*.py"))
OF_ANSIBLE = {"failed", "skipped", "unreachable", "finished", "started", "results", "exception", "deprecations"}
"""What says in a result that a task was not run, was a loop, and the like."""


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_nothing_that_a_module_returns_means_something_else_to_ansible(module: Path) -> None:
    returned = module.read_text(encoding="utf-8").partition('RETURN = r"""')[2].partition('"""')[0]
    names = set(re.findall(r"^([a-z_]+):", returned, re.MULTILINE))
    assert names and not names & OF_ANSIBLE
