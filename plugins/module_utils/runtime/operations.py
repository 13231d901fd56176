# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations of a node, as modules and the command line show them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .node import Node


def shown(node: Node, operation_id: str = "", states: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return operations as JSON objects, in the order of submission.

    :param operation_id: only this one. :param states: only those in one of these states; all where it is empty.
    :raises NotFound: there is no operation with the id.
    """
    records = [node.operations.get(operation_id)] if operation_id else node.operations.list()
    return [record.to_json() for record in records if not states or record.state in states]
