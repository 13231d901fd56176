# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prometheus text: what monitoring is told of a backup and its drills (text exposition format 0.0.4, one file for the
textfile collector of the node exporter). No I/O.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..model import moment


class Family(NamedTuple):
    """One metric, a gauge."""

    name: str
    help: str
    samples: Sequence[tuple[Mapping[str, str], float]]
    """Values with their labels; a family without any is left out."""


_ESCAPED: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def text(families: Sequence[Family]) -> str:
    """Return metrics as Prometheus reads them."""
    return "".join(f"{line}\n" for family in families if family.samples for line in _lines(family))


def gauge(name: str, help_: str, value: float | None) -> Family:
    """Return a metric without labels; one without a value is left out of the text."""
    return Family(name, help_, () if value is None else (({}, value),))


def of_drills(past: Sequence[Mapping[str, Any]]) -> Sequence[Family]:
    """Return what drills have come to. :param past: their summaries, the oldest first."""
    if not past:
        return ()
    last = past[-1]
    passed = [one for one in past if one["passed"]]
    items = [
        ({"kind": kind, "result": result}, float(count))
        for kind, counts in sorted(last.get("items", {}).items()) for result, count in sorted(counts.items())
    ]
    targets = last["targets"]
    return (
        gauge("restante_last_drill_timestamp_seconds", "When the last drill began.", _seconds(last)),
        gauge("restante_last_drill_success", "Whether the last drill has passed.", float(last["passed"])),
        gauge(
            "restante_last_successful_drill_timestamp_seconds", "When the last drill that passed began.",
            _seconds(passed[-1]) if passed else None,
        ),
        gauge("restante_last_drill_rpo_seconds", "Recovery point objective reached.", last["rpo_seconds"]),
        gauge("restante_last_drill_rto_seconds", "Recovery time objective reached.", last["rto_seconds"]),
        gauge("restante_drill_rpo_target_seconds", "The target of the last drill.", targets.get("rpo_seconds")),
        gauge("restante_drill_rto_target_seconds", "The target of the last drill.", targets.get("rto_seconds")),
        gauge("restante_last_drill_accounts", "How many accounts the last drill has restored.", last["accounts"]),
        Family("restante_last_drill_items", "Items of the last drill by kind and by what became of them.", items),
    )


def _seconds(summary: Mapping[str, Any]) -> float:
    at = moment.parse(summary["began"])
    return at / 1000 if isinstance(at, int) else 0.0


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.help}"
    yield f"# TYPE {family.name} gauge"
    for labels, value in family.samples:
        told = ",".join(f'{name}="{label.translate(_ESCAPED)}"' for name, label in labels.items())
        yield f"{family.name}{{{told}}} {value!r}" if told else f"{family.name} {value!r}"
