# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A callback that lets runs of Ansible share what it makes of a module before it sends it to a node.

Each run makes that anew otherwise, which takes longer than most of the tests' tasks.
"""

from __future__ import annotations

import os

from ansible import constants
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: share_modules
type: notification
short_description: Share made modules between runs
description: Keeps what Ansible makes of modules in the directory that SHARED_MODULES names.
"""


class CallbackModule(CallbackBase):
    """Shares modules; hears nothing."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "share_modules"

    def __init__(self):
        super().__init__()
        os.symlink(os.environ["SHARED_MODULES"], os.path.join(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache"))
