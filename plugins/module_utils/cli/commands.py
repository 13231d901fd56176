# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All commands: the vendor's names and parameters (reference, section 3), each one call of runtime/."""

from __future__ import annotations

from typing import Final

from . import (
    account_commands,
    archive_commands,
    backup_commands,
    care_commands,
    config_commands,
    core_commands,
    drill_commands,
    encryption_commands,
    export_commands,
    external_commands,
    inspection_commands,
    item_commands,
    operation_commands,
    powerstore_commands,
    realtime_commands,
    share_commands,
    standby_commands,
)

COMMANDS: Final = (
    *core_commands.COMMANDS,
    *backup_commands.COMMANDS,
    *archive_commands.COMMANDS,
    *care_commands.COMMANDS,
    *drill_commands.COMMANDS,
    *encryption_commands.COMMANDS,
    *export_commands.COMMANDS,
    *external_commands.COMMANDS,
    *item_commands.COMMANDS,
    *account_commands.COMMANDS,
    *inspection_commands.COMMANDS,
    *operation_commands.COMMANDS,
    *powerstore_commands.COMMANDS,
    *realtime_commands.COMMANDS,
    *share_commands.COMMANDS,
    *standby_commands.COMMANDS,
    *config_commands.COMMANDS,
)
"""By the order in which help lists them."""
