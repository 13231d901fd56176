# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node has of its drills: their history, the key that reports are signed with, and what became of these."""

from __future__ import annotations

import os
from typing import Any

from ..evidence import report, seal
from ..evidence.history import History
from ..model.errors import NotFound
from . import metrics
from .call import Call
from .node import Node


def directory(node: Node) -> str:
    """Return where a node keeps what it has of its drills."""
    return os.path.join(node.settings.state_path, "drills")


def past(node: Node) -> History:
    """Return the history of a node's drills."""
    return History(os.path.join(directory(node), "history"))


def outdated(node: Node, keep: int) -> list[str]:
    """Return the reports that are too many, oldest first. The newest of a drill that has passed is never one of them.

    :param keep: how many of the newest are kept.
    """
    drills = past(node).past()
    passed = [one for one in drills if one["passed"]][-1:]
    return [
        one["report_path"] for one in drills[:max(len(drills) - keep, 0)]
        if one not in passed and os.path.exists(os.path.join(one["report_path"], report.JSON))
    ]


def key_file(node: Node, named: str = "") -> str:
    """Return where the key is that reports are signed with. :param named: another one; empty for none."""
    return named or os.path.join(directory(node), "signing.key")


def info(call: Call) -> dict[str, Any]:
    """Answer the module drill_info."""
    node = call.node()
    answer: dict[str, Any] = {
        "drills": list(past(node).past()), "public_key": public_key(node), "metrics": metrics.collect(node),
    }
    if call["verify"]:
        answer["verification"] = verify(node, call["verify"], call["public_key"] or "")
    return answer


def public_key(node: Node) -> str:
    """Return the key that the node's reports are signed with, PEM; empty where there is none."""
    return _public(f"{key_file(node)}.pub").decode("ascii", "replace")


def _public(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def verify(node: Node, path: str, key: str = "") -> dict[str, Any]:
    """Say whether a report is genuine.

    :param path: its directory. :param key: the file of the public key; empty for the node's own. Errors as seal.verify.
    """
    if key and not os.path.exists(key):
        raise NotFound(f"There is no public key {key}; name the file that was kept.")
    return seal.verify(path, _public(key or f"{key_file(node)}.pub") or None).to_json()
