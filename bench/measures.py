# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All measures by name. Each makes its data, measures, checks that the work was done, and yields rows of the table.

They come in parts; each part has a table of its own in the document, and can be measured without the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from . import comparisons, imap, sizes
from .place import Place
from .report import Row

Measure = Callable[[Place], Iterator[Row]]

PARTS: Mapping[str, Sequence[Measure]] = {
    "backup": (
        comparisons.first_scan, comparisons.bucket_to_mail, comparisons.two_processes, comparisons.encryption,
        comparisons.unchanged_scan, sizes.history, sizes.items, sizes.accounts,
    ),
    "imap": (imap.imap_restore, imap.imap_first_scan, imap.imap_unchanged_scan),
}

NAMES = [name for part, measures in PARTS.items() for name in (part, *(measure.__name__ for measure in measures))]
"""What can be asked for: whole parts, and single measures."""


def chosen(part: str, only: Collection[str]) -> Sequence[Measure]:
    """Return the measures of a part that are to be made. :param only: names of parts and measures; none for all."""
    return [measure for measure in PARTS[part] if not only or part in only or measure.__name__ in only]
