# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One recovery of a lost node, metadata and mail, as a process that can be killed at any instruction."""

from __future__ import annotations

import sys

from ansible_collections.restante.carbonio.plugins.module_utils.restore.options import ExternalOptions
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import recovery, retrieval
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node


def main(config_file: str, source: str, restore_directory: str) -> None:
    """Retrieve the metadata from an archive in a directory, and restore it with the mail.

    :param source: the Backup Path of the lost node, which has the layout of an archive.
    """
    node = Node.load(config_file)
    retrieval.copy_backup_path(node, source, restore_directory)
    recovery.restore(node, restore_directory, ExternalOptions(skip_system_accounts=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
