# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Argument specifications that modules are composed of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .settings import DEFAULT_FILE

Spec = Mapping[str, Mapping[str, Any]]

CONFIG: Final[Spec] = {"config_file": {"type": "path", "default": DEFAULT_FILE}}
"""The argument that every module has."""

NOTIFICATIONS: Final[Spec] = {"notifications": {"type": "list", "elements": "str", "default": []}}
"""Of modules that run an operation people are told of."""

UNRESTORED: Final[Spec] = {"fail_on_unrestored": {"type": "bool", "default": False}}
"""Of modules that restore: whether what is left out fails the task."""

HSM: Final[Spec] = {"apply_hsm": {"type": "bool", "default": False}}
"""Of restores within one server: whether its policy moves what came back."""

OPERATION: Final[Spec] = {"operation_id": {"type": "str"}, "initiator": {"type": "str"}}
"""Of modules whose work is an operation: how it can be followed, and who is told of it."""

CREDENTIALS: Final[Spec] = {
    "access_key": {"type": "str", "no_log": False},
    "secret": {"type": "str", "no_log": True},
}
"""How to get into a bucket; empty for what the environment, a profile or the instance's role give."""

BUCKET: Final[Spec] = {
    **CREDENTIALS,
    "bucket_name": {"type": "str"},
    "region": {"type": "str"},
    "url": {"type": "str"},
    "prefix": {"type": "str"},
}
"""A bucket that has no configuration on the node."""
