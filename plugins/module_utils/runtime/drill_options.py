# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a drill can be done."""

from __future__ import annotations

import dataclasses
from typing import Final

from ..drill.record import Targets
from ..drill.sample import size
from ..evidence import durations
from ..evidence.history import KEPT
from ..model import moment
from ..model.errors import InvalidInput

ARCHIVE: Final = "archive"
BACKUP_PATH: Final = "backup_path"
SOURCES: Final = (ARCHIVE, BACKUP_PATH)


@dataclasses.dataclass(frozen=True)
class Options:
    """How a drill is done, by the names that the module drill gives them."""

    source: str = ""
    """ARCHIVE or BACKUP_PATH; empty for the archive where the node has one, and its Backup Path otherwise."""
    source_path: str = ""
    bucket_configuration_id: str = ""
    volume_prefix: str = ""
    server_id: str = ""
    witness: str = ""
    sample: str = ""
    seed: str = ""
    rpo_target: str = ""
    rto_target: str = ""
    declared: str = ""
    report_path: str = ""
    scratch_path: str = ""
    keep: bool = False
    signing_key: str = ""
    metrics_path: str = ""
    concurrent_accounts: int = 1
    due_after_days: int = 0
    reports_keep: int = 0
    """The newest reports that are kept; 0 for all."""


OF_ONE_DRILL: Final = ("seed", "declared", "keep", "due_after_days", "report_path", "metrics_path", "reports_keep")
"""Options that say nothing of what is drilled."""


def check(options: Options, time_zone: str = "") -> None:
    """Refuse options that mean nothing. :raises InvalidInput: which one, and what it may be."""
    if options.source not in ("", *SOURCES):
        raise InvalidInput(f"source is {options.source!r}; it may be {', '.join(SOURCES)}, or left out.")
    if options.sample:
        size(options.sample, 1)
    if options.concurrent_accounts < 1:
        raise InvalidInput(f"concurrent_accounts is {options.concurrent_accounts}; give 1 or more.")
    if options.due_after_days < 0:
        raise InvalidInput(f"due_after_days is {options.due_after_days}; give days, or 0 for a drill in any case.")
    if not 0 <= options.reports_keep <= KEPT:
        raise InvalidInput(f"reports_keep is {options.reports_keep}; give 1 to {KEPT}, or 0 for all.")
    if options.bucket_configuration_id and (options.source == BACKUP_PATH or options.source_path):
        raise InvalidInput("Name the source either by its bucket_configuration_id or by its source_path, not by both.")
    targets(options)
    declared(options, time_zone)


def targets(options: Options) -> Targets:
    """Return what the recovery is to keep to. :raises InvalidInput: it is no duration."""
    return Targets(
        durations.parse(options.rpo_target, "rpo_target"), durations.parse(options.rto_target, "rto_target")
    )


def declared(options: Options, time_zone: str) -> int:
    """Return when the loss was declared, UTC milliseconds; 0 for when the drill begins.

    :raises InvalidInput: it is no date, or in the future.
    """
    if not options.declared:
        return 0
    at = moment.parse(options.declared, time_zone)
    if not isinstance(at, int) or at > moment.now():
        raise InvalidInput(f"declared is {options.declared!r}; give a date that is not in the future.")
    return at
