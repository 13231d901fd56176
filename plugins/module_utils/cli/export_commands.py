# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that export the live system, and that bring blobs back to it (reference, sections 3.1 and 3.3)."""

from __future__ import annotations

from typing import Any, Final

from ..runtime import blob_restore, export
from ..runtime.node import Node
from .grammar import BOOLEAN, INTEGER, LIST, PATH, TEXT, Command, Parameter, choice
from .parameters import NOTIFICATIONS


def _export(node: Node, destination_path: str, **given: Any) -> Any:
    return export.export(node, destination_path, **given)


def _restore_blobs(node: Node, volume_id: str, dryrun: bool, compress: bool | None, items: str, **given: Any) -> Any:
    return blob_restore.restore(node, volume_id, dry_run=dryrun, compressed=compress, **given)


COMMANDS: Final = (
    Command(
        "backup", ("doExport",), "export the live system into an empty directory", _export,
        (Parameter("destination_path", PATH, "empty, or to be made"),),
        (
            Parameter("domains", LIST, "only these", ()),
            Parameter("cos", LIST, "only accounts of these classes of service", ()),
            NOTIFICATIONS,
            Parameter("threshold", INTEGER, "MB that have to stay free on its disk; 0 for no such bound", 0),
            Parameter("read_error_threshold", INTEGER, "give up after so many failed reads; 0 for never", 0),
            Parameter("skip_items", BOOLEAN, "the directory only, not the content of mailboxes", False),
        ),
        example="doExport /srv/export domains example.com,example.org", works_long=True,
    ),
    Command(
        "backup", ("doRestoreBlobs",), "put back the content that a volume has lost", _restore_blobs,
        (Parameter("volume_id", TEXT, "its id or name"),),
        (
            Parameter("backup_path", PATH, "another backup than this node's", ""),
            Parameter("dryrun", BOOLEAN, "only list what is lost", True),
            Parameter("threads", INTEGER, "requests to the bucket in flight", blob_restore.THREADS),
            Parameter("blobs_archive", TEXT, "the Bucket ID of the bucket to read blobs from", ""),
            Parameter("volume_prefix", TEXT, "the one of the backup that wrote to that bucket", ""),
            Parameter("compress", BOOLEAN, "compress what is written; as the volume does where it is not given"),
            Parameter("items", choice("zimbra", "drive", "all"), "accepted; all of the volume is looked at", "all"),
        ),
        example="doRestoreBlobs 1 dryrun false", works_long=True,
    ),
)
