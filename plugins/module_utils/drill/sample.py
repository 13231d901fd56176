# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which accounts a drill restores: all, or a random sample that anybody can draw again. No I/O.

The sample of a seed are the accounts of which the SHA-256 of "<seed>:<address>", the address in lower case, is the
smallest. So it hangs on no program's random numbers. Whoever knows the seed beforehand knows whom it hits: it should be
chosen anew each time, or told by somebody else than the one whose backup it is.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from ..model.errors import InvalidInput

RULE: Final = 'the accounts whose SHA-256 of "<seed>:<address>" is smallest'
CONFIDENCE: Final = 0.95

_SIZE = re.compile(r"(?:(\d{1,9})|(\d{1,3}(?:\.\d{1,4})?)\s?%)", re.ASCII)


class Extent(NamedTuple):
    """How much of a backup a drill was about."""

    whole: bool
    of: int
    """How many accounts the backup has."""
    accounts: Sequence[str]
    """The addresses of those that were restored."""
    seed: str = ""
    """Of the sample; empty for the whole."""

    def to_json(self) -> dict[str, Any]:
        """Return the extent as a JSON object."""
        chosen = list(self.accounts)
        record: dict[str, Any] = {
            "whole": self.whole, "accounts_of_backup": self.of, "accounts_restored": len(chosen), "seed": self.seed,
        }
        if not self.whole:
            record.update(rule=RULE, sample=chosen, undetected_accounts=undetected(self.of, len(chosen)))
        return record


def size(text: str, accounts: int) -> int:
    """Return how many accounts a sample has: a number, or a percentage, of which there is always at least one.

    :raises InvalidInput: it is neither, or none of them.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None or not float(found[1] or found[2]) or float(found[2] or 0) > 100:
        raise InvalidInput(
            f"The sample is {text!r}; give a number of accounts such as 20, or a percentage such as 10%, above 0. "
            "Leave it out to restore all of them."
        )
    wanted = int(found[1]) if found[1] else math.ceil(accounts * float(found[2]) / 100)
    return min(max(wanted, 1), accounts)


def choose(addresses: Sequence[str], sample: str, seed: str) -> Extent:
    """Return the extent of a drill.

    :param addresses: of all accounts of the backup. :param sample: as size() takes it; empty for the whole.
    :param seed: any text. :raises InvalidInput: as size().
    """
    known = sorted(addresses)
    if not sample:
        return Extent(True, len(known), known)
    ranked = sorted(known, key=lambda address: hashlib.sha256(f"{seed}:{address.lower()}".encode()).digest())
    return Extent(False, len(known), sorted(ranked[:size(sample, len(known))]), seed)


def undetected(accounts: int, sampled: int) -> int:
    """Return how many accounts could be damaged at most without a sample of them showing one, as CONFIDENCE has it.

    With more damaged ones than this, a sample drawn without looking hits one of them in 95 of 100 cases or more.
    """
    most = 0
    missed = 1.0  # the probability that a sample holds none of the damaged ones, one more of them each time
    while most < accounts - sampled:
        missed *= (accounts - sampled - most) / (accounts - most)
        if missed <= 1 - CONFIDENCE:
            break
        most += 1
    return most
