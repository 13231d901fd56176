# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How every module runs: arguments in, one call, result out; errors of ours become failed tasks."""

from __future__ import annotations

import getpass
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..model.errors import RestanteError
from . import settings
from .node import Node

CONFIG_FILE: Mapping[str, Any] = {"config_file": {"type": "path", "default": settings.DEFAULT_FILE}}
"""The argument that every module has."""


class Call:
    """One call of a module: its arguments, and whether it may change anything."""

    def __init__(self, module: AnsibleModule) -> None:
        self.arguments: dict[str, Any] = module.params
        self.check_mode: bool = module.check_mode
        self.config_file: str = module.params["config_file"]
        self.warn: Callable[[str], None] = module.warn

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def node(self) -> Node:
        """Return the node that the settings file describes."""
        return Node.load(self.config_file)

    @property
    def initiator(self) -> str:
        """Who runs this, for the record of an operation."""
        return getpass.getuser()


def run(
    answer: Callable[[Call], dict[str, Any]], arguments: Mapping[str, Any] | None = None, **constraints: Any,
) -> None:
    """Be a module: call answer and exit with its result.

    :param answer: returns the result; "changed" is False where it says nothing.
    :param arguments: the argument specification, config_file left out.
    :param constraints: further keywords of AnsibleModule, such as required_if.
    """
    module = AnsibleModule(
        argument_spec={**CONFIG_FILE, **(arguments or {})}, supports_check_mode=True, **constraints
    )
    try:
        result = answer(Call(module))
    except RestanteError as error:
        module.fail_json(msg=str(error))
    except Exception as error:
        module.fail_json(
            msg=f"This is a fault in restante.carbonio, not in your input: {error!r}. Please report it.",
            exception=traceback.format_exc(),
        )
    else:
        module.exit_json(**{"changed": False, **result})
