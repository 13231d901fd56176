# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""External Restore. Credentials come from the environment, as boto3 takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.backup.repository import Repository
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.restore.blobs import ArchiveBlobs, LocalBlobs
from ansible_collections.restante.carbonio.plugins.module_utils.restore.external import (
    ExternalOptions,
    external_restore,
)

from . import main
from .bucket import archive


def restore(endpoint: str, bucket: str, prefix: str, directory: str, store_path: str) -> Mapping[str, Any]:
    """Run an External Restore into a new, empty mail server.

    :param bucket: where the contents are; empty: in the directory itself.
    """
    source = Repository.open(directory)
    store = EmbeddedStore.create(store_path)
    blobs = (
        ArchiveBlobs(source, archive(endpoint, bucket, prefix), f"{store_path}.cache") if bucket else LocalBlobs(source)
    )
    report = external_restore(source, store, ExternalOptions(), blobs)
    return {"restored": sum(report.restored.values())}


if __name__ == "__main__":
    main(restore)
