# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All the work that is disturbed."""

from __future__ import annotations

from typing import Final

from . import encrypted_jobs, jobs, mailbox_jobs, standby_jobs, upkeep_jobs

JOBS: Final = {**jobs.JOBS, **{job.name: job for job in (
    *mailbox_jobs.JOBS, *upkeep_jobs.JOBS, *encrypted_jobs.JOBS, *standby_jobs.JOBS,
)}}
