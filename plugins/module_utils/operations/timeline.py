# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a restore of a whole server had reached what its users wait for."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from ..model import moment


class Mailbox(NamedTuple):
    """When the items of one account were back, UTC milliseconds."""

    newest: int
    """From when on its newest message was there; 0 where it has none that could be restored."""
    ended: int
    """From when on all of them were there, or reported."""

    @property
    def usable(self) -> int:
        """From when on its owner could go on working: with the newest message, or with all where there is none."""
        return self.newest or self.ended


@dataclasses.dataclass
class Timeline:
    """The moments of one run, UTC milliseconds; 0 for what was not reached."""

    provisioned: int = 0
    """Every account was there and could be logged in to (R-131)."""
    accounts: int = 0
    """How many mailboxes were to be restored."""
    mailboxes: dict[str, Mailbox] = dataclasses.field(default_factory=dict)
    """By address."""
    complete: int = 0
    """The restore had come to its end."""

    @property
    def first_mailbox(self) -> int:
        """Return from when on the first mailbox could be used."""
        return min((one.usable for one in self.mailboxes.values()), default=0)

    @property
    def newest_mail(self) -> int:
        """Return from when on every mailbox could be used, all with their newest message."""
        if not self.mailboxes or len(self.mailboxes) < self.accounts:
            return 0
        return max(one.usable for one in self.mailboxes.values())

    def to_json(self) -> dict[str, Any]:
        """Return the moments as a JSON object in ISO 8601; what was not reached is empty."""
        names = ("provisioned", "first_mailbox", "newest_mail", "complete")
        reached = {name: getattr(self, name) for name in names}
        return {name: moment.iso(at) if at else "" for name, at in reached.items()}
