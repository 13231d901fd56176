# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was tried, and how often."""

from __future__ import annotations

from collections import Counter


def table(tried: Counter[tuple[str, str]], of_what: str, counts: dict[str, int]) -> None:
    """Print how often each kind of disturbance was tried, by job.

    :param tried: by job and kind. :param of_what: what each job has so many of. :param counts: so many, by job.
    """
    kinds = sorted({kind for _job, kind in tried})
    width = max(map(len, counts))
    print(f"\n{'':{width}}  {of_what}  " + "  ".join(kinds))
    for job, count in counts.items():
        cells = "  ".join(f"{tried[job, kind]:{len(kind)}}" for kind in kinds)
        print(f"{job:{width}}  {count:{len(of_what)}}  {cells}")
    print()


def lists(tried: Counter[tuple[str, str]], of_what: str, counts: dict[str, int]) -> None:
    """Print how often each job was disturbed, and how often each kind of disturbance was tried; as table()."""
    for job, count in counts.items():
        print(f"{job}, {count} {of_what}: {sum(times for (one, _kind), times in tried.items() if one == job)}")
    by_kind: Counter[str] = Counter()
    for (_job, kind), times in tried.items():
        by_kind[kind] += times
    print("; ".join(f"{kind}: {times}" for kind, times in sorted(by_kind.items())))
