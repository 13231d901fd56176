# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people are told of a restore while it runs: its start, its first phase, its end (R-006, R-007)."""

from __future__ import annotations

from collections.abc import Callable

from ..model.errors import RestanteError
from .notifications import ERROR, INFORMATION, WARNING
from .report import RestoreReport

Notify = Callable[[str, str, str], object]
"""Tells people something: type (one of notifications.LEVELS), subject, text. Never raises."""


class Feedback:
    """Tells people of one restore, in the words of the documentation."""

    def __init__(self, name: str, notify: Notify) -> None:
        """
        :param name: of the strategy, such as "External Restore".
        :param notify: does the telling.
        """
        self._name = name
        self._notify = notify

    def started(self, text: str) -> None:
        """Tell that it begins. :param text: what is to be restored."""
        self._tell(INFORMATION, "Operation Started", text)

    def phase_1(self, report: RestoreReport) -> None:
        """Tell that accounts can be used from now on (R-131)."""
        self._tell(INFORMATION, "PHASE 1 Feedback", report.text())

    def ended(self, report: RestoreReport, stopped: bool) -> None:
        """Tell what it has come to. :param stopped: whether it was told to stop before its end."""
        how = "It was stopped; run again, it goes on.\n\n" if stopped else ""
        self._tell(WARNING if stopped or report.unrestored else INFORMATION, "Operation Ended", how + report.text())

    def failed(self, error: RestanteError, report: RestoreReport) -> None:
        """Tell that it cannot go on, and what it has come to until then."""
        self._tell(ERROR, "Operation Ended", f"It failed: {error}\n\n{report.text()}")

    def _tell(self, type_: str, subject: str, text: str) -> None:
        self._notify(type_, f"{self._name}: {subject}", text)
