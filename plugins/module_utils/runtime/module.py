# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How every module runs: arguments in, one call, result out; errors of ours become failed tasks.

Here alone it is decided which engine answers, this collection's or the vendor's (engine.py).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..model.errors import RestanteError
from .argspec import CONFIG
from .call import Call
from .engine import chosen


def run(
    answer: Callable[[Call], Mapping[str, Any]], arguments: Mapping[str, Any] | None = None, **constraints: Any,
) -> None:
    """Be a module: call answer and exit with its result.

    :param answer: returns the result, on a node whose engine is this collection's; "changed" is False where it says
        nothing, "warnings" are shown as such, and "diff" is shown where it was asked for.
    :param arguments: the argument specification, config_file left out.
    :param constraints: further keywords of AnsibleModule, such as required_if.
    """
    module = AnsibleModule(argument_spec={**CONFIG, **(arguments or {})}, supports_check_mode=True, **constraints)
    call = Call(module.params, module.check_mode)

    def fail(**told: str) -> None:
        for complaint in call.complaints():
            module.warn(complaint)
        module.fail_json(**told)

    try:
        result = {"changed": False, **chosen(module._name, call, answer)(call)}
    except RestanteError as error:
        fail(msg=str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        fail(
            msg=f"{where}{error.strerror or error}. Check the space, the owner and the mode of the node's directories, "
            "then run this again."
        )
    except Exception as error:
        fail(
            msg=f"This is a fault in restante.carbonio, not in your input: {error!r}. Please report it.",
            exception=traceback.format_exc(),
        )
    for warning in (*result.pop("warnings", ()), *call.complaints()):
        module.warn(warning)
    if not module._diff:
        result.pop("diff", None)
    module.exit_json(**result)
