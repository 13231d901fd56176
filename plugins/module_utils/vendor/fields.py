# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fields: what is found in the answers of the vendor's command by the names that are documented. No I/O.

How an answer looks as a whole is not (reference, section 8); so fields are looked for wherever they stand, and what
cannot be found is said to be missing, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..model import foreign, moment
from ..model.errors import InvalidInput
from ..operations.records import EXIT_CODES, FAILED, QUEUED, RUNNING, STOPPED, SUCCESSFUL


def mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield all objects of a JSON value, outer ones first."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from mappings(inner)


def field(row: Mapping[str, Any], *names: str) -> Any:
    """Return the first field of an object that has one of some names, None where it has none."""
    return next((row[name] for name in names if row.get(name) is not None), None)


def message(error: Any) -> str:
    """Return the words of an error, which may be a text, or an object with a message in it."""
    for one in mappings(error):
        found = one.get("message") or one.get("error")
        if isinstance(found, str) and found:
            return found
    return str(error)


def rows(answer: Any) -> list[Mapping[str, Any]]:
    """Return what a command lists: a list, or the list (or the objects by name) that an object has."""
    if isinstance(answer, list):
        return [one for one in answer if isinstance(one, dict)]
    if isinstance(answer, dict):
        for inner in answer.values():
            if isinstance(inner, list):
                return rows(inner)
        return [one for one in answer.values() if isinstance(one, dict)]
    return []


OPERATION_IDS: Final = ("operationId", "operation_id", "operationUuid", "operation_uuid")


def attribute(answer: Any, name: str) -> tuple[str, bool] | None:
    """Return the value of an attribute and whether it is inherited, as config get shows it; None where it has none."""
    for one in mappings(answer):
        if one.get("attribute") == name and one.get("value") not in (None, ""):
            return str(one["value"]), one.get("isInherited") in (True, "true")
    return None


def attributes(answer: Any) -> dict[str, Any]:
    """Return attributes by name, as config dump shows them: rows of attribute and value, or an object."""
    listed = [one for one in mappings(answer) if "attribute" in one and "value" in one]
    if listed:
        return {str(one["attribute"]): one["value"] for one in listed}
    return dict(answer) if isinstance(answer, dict) else {}


def flag(answer: Any, name: str) -> bool | None:
    """Return a field that is true or false, None where it is not told."""
    for one in mappings(answer):
        if str(one.get(name)).lower() in ("true", "false"):
            return str(one[name]).lower() == "true"
    return None


_HOLD: Final = re.compile(r"(?<!\S)([^\s@]+@\S+)\s+(\S+)\s+(set|unset)", re.IGNORECASE)


def holds(answer: Any) -> list[dict[str, Any]]:
    """Return accounts and whether they are on hold, as legalHold get lists them: <email> <accountID> <unset|set>."""
    lines = [_HOLD.search(text) for text in texts(answer)]
    found = [(line[1], line[2], line[3]) for line in lines if line]
    if not found:
        found = [
            (str(field(one, "email", "name", "account")), str(field(one, "id", "accountId", "zimbraId")),
             str(field(one, "status", "legalHold")))
            for one in mappings(answer) if field(one, "status", "legalHold") is not None
        ]
    return [{"name": name, "id": id_, "held": status.lower() == "set"} for name, id_, status in found]


def texts(value: Any) -> list[str]:
    """Return all texts of a JSON value."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in texts(one)]


class Volume(NamedTuple):
    """A volume as the vendor's list shows it; None for what it does not show."""

    volume_id: str
    name: str
    volume_type: str | None
    path: str | None
    compressed: bool | None
    compression_threshold: int | None
    current: bool | None


def volumes(answer: Any) -> list[Volume]:
    """Return the volumes that getAllVolumes lists."""
    found = []
    for row in rows(answer):
        kind, threshold = field(row, "volume_type", "type"), field(row, "compression_threshold", "threshold")
        found.append(Volume(
            str(field(row, "volume_id", "id")), str(field(row, "name")), str(kind).lower() if kind else None,
            field(row, "path"), _first_flag(row, "compressed"),
            int(threshold) if str(threshold).isdecimal() else None, _first_flag(row, "current", "isCurrent"),
        ))
    return found


def _first_flag(row: Mapping[str, Any], *names: str) -> bool | None:
    return next((told for told in (flag(row, name) for name in names) if told is not None), None)


def duplicates(outcome: Any) -> int | None:
    """Return how many blobs a deduplication has done away with, None where it is not told."""
    for one in mappings(outcome):
        told = field(one, "duplicated_blobs", "Deduplicated/duplicated Blobs", "Deduplicated Blobs")
        number = str(told).partition("/")[0].strip()
        if number.isdecimal():
            return int(number)
    return None


# -- operations --------------------------------------------------------------------------------------------------------

_STATES: Final[Mapping[str, str]] = {
    **{state: state for state in (*EXIT_CODES, QUEUED, RUNNING)},
    "success": SUCCESSFUL, "completed": SUCCESSFUL, "failure": FAILED, "error": FAILED, "canceled": STOPPED,
    "cancelled": STOPPED, "started": RUNNING, "waiting": QUEUED,
}


def state_of(row: Any) -> str:
    """Return how an operation is, in our words: the documented five of its end, queued, running; empty if not told."""
    for one in mappings(row):
        told = field(one, "state", "status", "operationState", "operationStatus", "result")
        if isinstance(told, str) and told.lower() in _STATES:
            return _STATES[told.lower()]
    return ""


_ID_NAMES: Final = (*OPERATION_IDS, "id", "uuid")


def with_id(listed: Any, wanted: str) -> Mapping[str, Any] | None:
    """Return the operation with an id out of a list of operations, None where it is not there."""
    return next((one for one in mappings(listed) if wanted in map(one.get, _ID_NAMES)), None)


def ended_as(row: Any) -> str:
    """Return why an operation has failed, in the vendor's words; empty where they are not told."""
    for one in mappings(row):
        told = field(one, "error", "errorMessage", "message")
        if isinstance(told, str) and told:
            return told
        if isinstance(told, dict):
            return message(told)
    return ""


class Seen(NamedTuple):
    """How far an operation is."""

    phase: str = ""
    done: int = 0
    total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0


_COUNT: Final = re.compile(r"(\d{1,15}) ?(?:/|of) ?(\d{1,15})")


def seen(row: Any) -> Seen:
    """Return how far an operation is, out of what monitor shows: a phase with numbers, or a count such as 3/64."""
    for one in mappings(row):
        phase = field(one, "phase", "currentPhase")
        if isinstance(phase, str) and phase:
            numbers = [field(one, name) for name in ("items_done", "items_total", "bytes_done", "bytes_total")]
            return Seen(phase, *(number if foreign.is_number(number) else 0 for number in numbers))
    for one in mappings(row):
        for name, value in one.items():
            found = _COUNT.fullmatch(value.strip()) if isinstance(value, str) else None
            if found:
                return Seen(name, int(found[1]), int(found[2]))
    return Seen()


# -- notifications and the report of a restore -------------------------------------------------------------------------

_END: Final = "ended"
"""In the title of a notification that tells the end of an operation, as documented: Operation Ended."""


def ends(notifications: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the ids of notifications that tell the end of an operation, the last one first.

    All of them, where no title says what it tells. Order is that of their dates, where these can be read.
    """
    told = [row for row in notifications if row.get("id") is not None]
    ended = [row for row in told if _END in str(field(row, "subject", "title")).lower()] or told
    dates = [_date(row) for row in ended]
    if None not in dates:
        ended = [row for _when, row in sorted(zip(dates, ended), key=lambda pair: pair[0] or 0)]
    return [str(row["id"]) for row in reversed(ended)]


def _date(row: Mapping[str, Any]) -> int | None:
    told = field(row, "date", "at", "timestamp")
    if foreign.is_number(told):
        return int(told)
    try:
        found = moment.parse(str(told))
    except InvalidInput:
        return None
    return found if isinstance(found, int) else None


_STATISTICS: Final = {"restored": "Restored Items", "skipped": "Skipped Items", "unrestored": "Unrestored Items"}
_BY_ACCOUNT: Final = re.compile(r"^account: *(.+)\r?\nunrestored items: *(.*)$", re.MULTILINE)


class Report(NamedTuple):
    """The final report of a restore, as people are sent it (R-272, R-273)."""

    counts: Mapping[str, int]
    """restored, skipped and unrestored."""
    unrestored: Sequence[tuple[str, str]]
    """Account and item id."""
    text: str


def report_of(text: str) -> Report | None:
    """Return the report that a notification has, None where it has none."""
    counts = {}
    for name, label in _STATISTICS.items():
        found = re.search(rf"^{label}: *(\d+)\s*$", text, re.MULTILINE)
        if found is None:
            return None
        counts[name] = int(found[1])
    lost = [
        (account.strip(), item.strip())
        for account, items in _BY_ACCOUNT.findall(text) for item in items.split(",") if item.strip()
    ]
    return Report(counts, lost, text[text.index("- stats -"):] if "- stats -" in text else text)
