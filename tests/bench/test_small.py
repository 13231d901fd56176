# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The benchmarks work from end to end, on so little data that no number counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import mail_peers, peers, report
from bench.growth import SUBJECTS
from bench.measures import PARTS

CHECKOUT = Path(__file__).resolve().parents[2]


def test_every_measure_is_made_and_written_down(tmp_path: Path) -> None:
    reason = peers.missing() or mail_peers.missing()
    if reason:
        pytest.skip(reason)
    document = tmp_path / "benchmarks.md"
    document.write_text("".join(f"{mark}\n" for part in PARTS for mark in report.marks(part)))
    command = [
        sys.executable, "-m", "bench", "--scale", "small", "--server", "moto",
        "--work", str(tmp_path / "work"), "--document", str(document),
    ]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "build" / "collections")}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "work" / "results.json").read_text())
    rows = results["rows"]
    assert len(rows) == 20
    assert all(row["ours"]["seconds"] > 0 and row["ours"]["peak"] > 0 for row in rows)
    assert all(row["name"] in document.read_text() for row in rows)
    assert {point["subject"] for point in results["growth"]} == set(SUBJECTS)
    for subject in SUBJECTS:
        picture = tmp_path / f"benchmarks-{subject}.svg"
        assert f"({picture.name})" in document.read_text()
        assert ElementTree.parse(picture).getroot().get("role") == "img"
