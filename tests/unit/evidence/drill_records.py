# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of drills for the tests of what is made of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.drill.record import (
    About,
    RecoveryPoint,
    Targets,
    record,
)
from ansible_collections.restante.carbonio.plugins.module_utils.drill.rehearsal import Findings
from ansible_collections.restante.carbonio.plugins.module_utils.drill.sample import Extent
from ansible_collections.restante.carbonio.plugins.module_utils.evidence.history import summary
from ansible_collections.restante.carbonio.plugins.module_utils.operations.timeline import Mailbox
from ansible_collections.restante.carbonio.plugins.module_utils.restore.verify import Difference, VerifyReport

DECLARED = 1_790_000_000_000
ANN, BOB = "ann@example.com", "bob@example.com"
NASTY = '"><script>alert(1)</script><img src=x onerror=alert(2)>\x00\x1b[31m\u202e\ud800 & \'--> ]]> </style>'
"""What a subject may hold: tags, quotes, controls, a turned direction, half a character."""


def findings(missing: int = 0, address: str = ANN) -> Findings:
    """Return those of a drill of two accounts, of which messages of the first are missing."""
    proof = VerifyReport(
        expected=Counter(message=30, folder=8, account=2), verified=Counter(message=30 - missing, folder=8, account=2),
        compared=Counter(content=30, flags=12, folder=38, zimbraMailQuota=2),
        accounts={
            address: (Counter(message=20, account=1), Counter(message=20 - missing, account=1)),
            BOB: (Counter(message=10, account=1), Counter(message=10, account=1)),
        },
    )
    proof.missing.update(message=missing)
    proof.differing.update(missing=missing)
    found = Findings(
        backup={
            "where": "bucket backup", "server_id": "s-1", "repository_id": "r-1", "commit": 42, "encrypted": False,
            "last_commit_at": "2026-09-21T14:00:00.000Z", "last_transaction_at": "2026-09-21T13:59:58.000Z",
        },
        extent=Extent(True, 2, (address, BOB)),
        moments={
            "metadata": DECLARED + 2_000, "provisioned": DECLARED + 5_000, "first_mailbox": DECLARED + 9_000,
            "newest_mail": DECLARED + 15_000, "complete": DECLARED + 90_000, "verified": DECLARED + 120_000,
        },
        proof=proof,
    )
    found.restored.timeline.mailboxes.update({
        address: Mailbox(DECLARED + 9_000, DECLARED + 90_000), BOB: Mailbox(0, DECLARED + 15_000),
    })
    return found


def told(found: Findings | None = None, past: int = 0, error: str = "", **about: Any) -> dict[str, Any]:
    """Return the record of a drill. :param past: how many went before it."""
    given: dict[str, Any] = {
        "id": "0c6b4d58-6f0e-4a9e-8c0f-6e2a1a2f7a55", "node": "mail1", "ran_by": "root", "source": "archive",
        "declared": DECLARED, "began": DECLARED + 500, "targets": Targets(3600.0, 600.0),
        "versions": {"restante.carbonio": "0.1.0", "Python": "3.11.2"}, "configuration_sha256": "c" * 64,
        "lag": {"commits": 3, "seconds": 12.5}, "how": "It was restored.", **about,
    }
    before = [
        {**summary(told(), f"/drills/{number}"), "passed": number % 5 != 3, "began": f"2026-0{1 + number % 8}-01"}
        for number in range(past)
    ]
    point = RecoveryPoint(DECLARED - 60_000)
    return record(About(**given), findings() if found is None else found, point, before, error)


def broken() -> Findings:
    """Return findings of which every text is what somebody wrote who means harm."""
    found = findings(missing=1, address=f"ann{NASTY}@example.com")
    assert found.proof is not None
    found.restored.add_unrestored(f"ann{NASTY}@example.com", NASTY, "message", "read error", f"Subject: {NASTY}")
    found.proof.differences.append(Difference(BOB, NASTY, "message", "flags", NASTY, NASTY))
    found.damages.append({"file": NASTY, "reason": NASTY, "consequence": NASTY})
    found.restored.warn(NASTY)
    found.backup["where"] = NASTY
    return found
