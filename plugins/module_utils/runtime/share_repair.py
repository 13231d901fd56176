# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shares of a mail server: looked through, and mended after an import (R-316, R-317; reference, section 3.2)."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Final

from ..mailstore.port import MailStore
from ..operations.report import INVALID_ITEM, RestoreReport
from ..restore.idmap import read_import
from ..restore.repair import ShareApplier
from ..restore.share_check import Examined, Imported, Shares
from .call import Call
from .node import Node
from .operations import operation

OPERATION: Final = "Fix Shares"


def check(node: Node) -> dict[str, Any]:
    """Return the broken shares of all accounts as "problems", and how many accounts have some."""
    with contextlib.closing(node.store()) as store:
        return _told(list(Shares(store).examine()))


def fix(node: Node, map_file: str, *, dry_run: bool = False) -> dict[str, Any]:
    """Give shares the ids that an import has brought.

    :param map_file: a file map_<server id> of a Backup Path, of this node or of another one of the same import.
    :return: "changed", "problems" with what becomes of each; without dry_run also the report, "stats" and
        "operation_id".
    :raises NotFound: there is no such file. :raises Damaged: it is no map.
    """
    read_import(map_file)
    if dry_run:
        with contextlib.closing(node.store()) as store:
            found = _examined(store, map_file)
        return {**_told(found), "changed": any(one.repair for one in found)}
    report = RestoreReport()
    with operation(node, OPERATION, {"import_idmap_file": map_file}) as running:
        with contextlib.closing(node.store()) as store:
            running.phase("looking for broken shares")
            found = _examined(store, map_file)
            applier = ShareApplier(store, report)
            running.phase("shares", len(found))
            for one in found:
                if running.stopping():
                    break
                if one.repair is not None:
                    applier.write(one.account.entry_id, one.account.name, one.repair)
                for finding in one.findings:
                    if not finding.repaired:
                        report.add_unrestored(
                            finding.account, finding.item_id, finding.kind, INVALID_ITEM, finding.problem
                        )
                running.advance(1)
        running.record.result = report.to_json()
    return {
        **_told(found), **report.to_result(), "changed": report.changed, "stats": report.text(),
        "operation_id": running.id,
    }


def _examined(store: MailStore, map_file: str) -> list[Examined]:
    import_id, rows = read_import(map_file)
    ids = {row.source_id: row.destination_id for row in rows}
    return list(Shares(store, Imported(store, import_id, ids)).examine())


def _told(found: Sequence[Examined]) -> dict[str, Any]:
    return {
        "problems": [finding._asdict() for one in found for finding in one.findings],
        "accounts": len({one.account.entry_id for one in found}),
    }


def answer(call: Call) -> dict[str, Any]:
    """Answer the module share_fix."""
    result = fix(call.node(), call["import_idmap_file"], dry_run=call.check_mode)
    lines = [
        f"{one['account']} {one['kind']} {one['name'] or one['item_id']}: {one['problem']}"
        + ("" if one["repaired"] else " (not mended)") for one in result["problems"]
    ]
    return {**result, "diff": {"prepared": "".join(f"{line}\n" for line in lines) if result["changed"] else ""}}
