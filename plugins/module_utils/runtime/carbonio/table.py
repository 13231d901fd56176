# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules do on a node of the vendor's, by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..call import Call
from . import attributes, buckets, lookups, maintenance, operations, restores, volumes

ANSWERS: Final[Mapping[str, Callable[[Call], Mapping[str, Any]]]] = {
    "account_info": lookups.account,
    "available_accounts_info": lookups.available_accounts,
    "backup_export": maintenance.export,
    "backup_info": lookups.backup,
    "backup_volume": buckets.backup_volume,
    "blob_restore": restores.blobs,
    "bucket": buckets.bucket,
    "bucket_info": buckets.info,
    "coherency_check": maintenance.coherency_check,
    "config": attributes.config,
    "config_info": attributes.info,
    "deduplicate": volumes.deduplicate,
    "external_restore": restores.external,
    "item_info": lookups.item,
    "item_restore": restores.item,
    "item_search_info": lookups.item_search,
    "legal_hold": maintenance.legal_hold,
    "legal_hold_info": lookups.legal_hold,
    "map_info": lookups.map_rows,
    "metadata_retrieve": maintenance.retrieve,
    "new_account_restore": restores.new_account,
    "operation": operations.stop_or_wait,
    "operation_info": operations.info,
    "purge": maintenance.purge,
    "realtime_scanner": attributes.realtime_scanner,
    "realtime_scanner_info": attributes.realtime_scanner_info,
    "restore_tuning": volumes.tuning,
    "share_check_info": lookups.broken_shares,
    "share_fix": maintenance.fix_shares,
    "smartscan": maintenance.smart_scan,
    "undelete": restores.undelete,
    "volume": volumes.ensure,
    "volume_info": volumes.info,
}
"""A module that is not here has no equivalent."""
