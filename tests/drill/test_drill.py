# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The drill as a user runs it: with the mailbox that the project generates, and with real mail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CORPUS = CHECKOUT.parent / "shared" / "corpus"


def drill(output: Path, *options: str) -> dict[str, Any]:
    """Run the drill and return its report, which must have passed."""
    completed = subprocess.run(
        [sys.executable, "-m", "tools.drill", "--output", str(output), *options],
        cwd=CHECKOUT, env={**os.environ, "PYTHONPATH": str(CHECKOUT / "build" / "collections")},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )
    assert completed.returncode == 0, completed.stdout
    report: dict[str, Any] = json.loads((output / "report.json").read_text(encoding="utf-8"))
    assert report["passed"], completed.stdout
    assert report["unrestored"] == {}
    assert report["verified"] == report["expected"]
    page = Path(completed.stdout.splitlines()[-1])
    assert page == output / "report" / "report.html" and "<b>PASSED</b>" in page.read_text(encoding="utf-8")
    evidence = json.loads((output / "report" / "report.json").read_text(encoding="utf-8"))
    seconds = [one["seconds"] for one in evidence["timeline"]]
    assert None not in seconds and seconds == sorted(seconds), "every moment was measured, in its order"
    return report


def test_a_lost_node_with_generated_mail_is_recovered_whole(tmp_path: Path) -> None:
    """R-101, R-170, R-181, R-183: bucket to mail, through the playbook, every item and every content compared."""
    report = drill(tmp_path / "drill")
    assert report["expected"]["message"] >= 2000
    assert set(report["expected"]) >= {
        "message", "folder", "contact", "contact_group", "appointment", "task", "document", "tag", "mountpoint",
        "data_source", "filter_set",
    }
    assert report["rpo_seconds"] < 60
    assert report["rto_seconds"]["total"] > 0


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the corpus of real mail is not at {CORPUS}")
def test_a_lost_node_with_real_mail_is_recovered_whole_from_an_encrypted_backup(tmp_path: Path) -> None:
    report = drill(tmp_path / "drill", "--corpus", str(CORPUS), "--encrypted")
    assert report["expected"]["message"] >= 5600 + 365
