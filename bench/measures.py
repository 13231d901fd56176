# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All measures by name. Each makes its data, measures, checks that the work was done, and yields rows of the table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from . import comparisons, sizes
from .place import Place
from .report import Row

MEASURES: Mapping[str, Callable[[Place], Iterator[Row]]] = {
    measure.__name__: measure
    for measure in (
        comparisons.first_scan, comparisons.bucket_to_mail, comparisons.two_processes, comparisons.encryption,
        comparisons.unchanged_scan, sizes.history, sizes.items, sizes.accounts,
    )
}


def measured(place: Place, only: Collection[str] = ()) -> Iterator[Row]:
    """Make the measures named, or all of them, one after the other, and yield their rows."""
    for name, measure in MEASURES.items():
        if not only or name in only:
            yield from measure(place)
