# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tests of the engine once more, with every backup encrypted: RESTANTE_TEST_ENCRYPTED=1 pytest tests/engine.

Whatever is true of a plain backup is true of an encrypted one. In this mode all that is opened or made without a master
key gets this one.
"""

from __future__ import annotations

import inspect
import os
from typing import Any, Final

MASTER: Final = bytes(range(32))
IS_ON: Final = bool(os.environ.get("RESTANTE_TEST_ENCRYPTED"))
MASTERS: Final = (MASTER,) if IS_ON else ()
"""What opens a backup that is made in this mode."""


def encrypt_all() -> None:
    """Give what takes a master key this one for a default, where the mode is on."""
    if not IS_ON:
        return
    from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
    from ansible_collections.restante.carbonio.plugins.module_utils.restore import retrieve
    from ansible_collections.restante.carbonio.plugins.module_utils.runtime import node

    functions: tuple[Any, ...] = (Repository.__init__, Repository.create, Repository.open, retrieve.retrieve)
    for function in functions:
        names = inspect.signature(function).parameters
        function.__defaults__ = tuple(
            [MASTER] if name == "masters" else parameter.default
            for name, parameter in names.items() if parameter.default is not parameter.empty
        )
    node.Node.masters = lambda self: [MASTER]  # type: ignore[method-assign]
