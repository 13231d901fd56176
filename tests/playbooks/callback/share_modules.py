# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A callback that lets runs of Ansible share what it makes of a module before it sends it to a node.

Each run makes that anew otherwise, and each task compiles all of it, which takes longer than most of the tests' tasks.
So the archive that Ansible would send is unpacked here, once, where Python keeps what it has compiled. The node has
this machine's files and is sent an archive that leads there: to what was in the module's own archive, and nothing else.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import os
import zipfile
from pathlib import Path

from ansible import constants
from ansible.executor import module_common
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: share_modules
type: notification
short_description: Share made modules between runs
description: Keeps what Ansible makes of modules in the directory that SHARED_MODULES names.
"""


def unpack(archive, place):
    """Unpack a module's archive; return one whose packages are what was unpacked."""
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        packed.extractall(place)
    leading = io.BytesIO()
    with zipfile.ZipFile(leading, "w") as packed:
        for package in place.iterdir():
            packed.writestr(f"{package.name}/__init__.py", f"__path__ = [{str(package)!r}]\n")
    return leading.getvalue()


def share_unpacked(cached_module):
    """Have Ansible keep modules unpacked. :param cached_module: its class for what it keeps of a module."""
    keep = cached_module.dump

    def dump(module, path):
        archive = unpack(base64.b64decode(module.zip_data), Path(os.path.realpath(f"{path}.unpacked")))
        keep(dataclasses.replace(module, zip_data=base64.b64encode(archive)), path)

    cached_module.dump = dump


class CallbackModule(CallbackBase):
    """Shares modules; hears nothing."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "share_modules"

    def __init__(self):
        super().__init__()
        os.symlink(os.environ["SHARED_MODULES"], os.path.join(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache"))
        if hasattr(module_common, "_CachedModule"):  # not before ansible-core 2.19: there, modules are sent whole
            share_unpacked(module_common._CachedModule)
