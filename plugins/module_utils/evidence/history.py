# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The history of a node's drills: a summary of each, one small file, of which the oldest go beyond a bound."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..model import foreign, moment
from ..model.durable import make_directories, sync_directory
from ..model.errors import InvalidInput, Refused

FORMAT: Final = 1
"""Of the record of a drill, and of its summary."""
KEPT: Final = 120
"""Summaries that are kept: ten years, where there is a drill a month."""
SHOWN: Final = 24
"""Past drills that a report shows."""

_FIELDS: Final = (
    "format", "id", "node", "ran_by", "passed", "reasons", "rpo_seconds", "rto_seconds", "targets", "items",
)


def summary(record: Mapping[str, Any], report_path: str = "", manifest_sha256: str = "") -> dict[str, Any]:
    """Return what is remembered of a drill.

    :param report_path: the directory of its report. :param manifest_sha256: of the manifest there.
    """
    items = record["items"].values()
    return {
        **{name: record[name] for name in _FIELDS},
        "declared": record["timeline"][0]["at"],
        "began": record["timeline"][1]["at"],
        "whole": bool(record["extent"].get("whole")),
        "accounts": record["extent"].get("accounts_restored", 0),
        "expected": sum(one.get("expected", 0) for one in items),
        "verified": sum(one.get("verified", 0) for one in items),
        "unrestored": len(record["unrestored_items"]),
        "report_path": report_path,
        "manifest_sha256": manifest_sha256,
    }


class History:
    """The directory of the summaries."""

    def __init__(self, path: str) -> None:
        """:param path: it need not be there."""
        self._path = path

    def past(self) -> Sequence[dict[str, Any]]:
        """Return the summaries in the order of the drills. What cannot be read as one is left out."""
        found = []
        for name in self._names():
            with contextlib.suppress(OSError, *foreign.UNREADABLE):
                with open(os.path.join(self._path, name), encoding="utf-8") as file:
                    record = foreign.parse(file.read())
                if _sound(record):
                    found.append(record)
        return found

    def add(self, summarised: Mapping[str, Any]) -> None:
        """Write a summary down, durably, and forget the oldest. :raises Refused: the disk does not take it."""
        stamp = summarised["began"].replace("-", "").replace(":", "")
        path = os.path.join(self._path, f"{stamp}-{summarised['id']}.json")
        try:
            make_directories(self._path)
            with open(f"{path}.part", "w", encoding="utf-8", opener=_private) as file:
                json.dump(summarised, file, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            os.replace(f"{path}.part", path)
            sync_directory(self._path)
            for name in self._names()[:-KEPT]:
                os.unlink(os.path.join(self._path, name))
        except OSError as error:
            raise Refused(
                f"The drill cannot be remembered in {self._path} ({error.strerror}); check the space and the owner of "
                "state_path."
            ) from error

    def _names(self) -> list[str]:
        """Return the names of the files, which begin with the date."""
        try:
            return sorted(name for name in os.listdir(self._path) if name.endswith(".json"))
        except FileNotFoundError:
            return []


def _sound(record: Any) -> bool:
    """Return whether a file has what is read of it."""
    numbers = ("rpo_seconds", "rto_seconds")
    return (
        isinstance(record, dict) and record.get("format") == FORMAT
        and all(isinstance(record.get(name), str) for name in ("id", "node", "declared", "began", "report_path"))
        and isinstance(record.get("passed"), bool) and isinstance(record.get("targets"), dict)
        and all(name in record and (record[name] is None or foreign.fits(record[name], float)) for name in numbers)
        and all(one is None or foreign.fits(one, float) for one in record["targets"].values())
        and all(foreign.fits(record.get(name), int) for name in ("accounts", "expected", "verified", "unrestored"))
        and foreign.fits(record.get("items"), Mapping[str, Mapping[str, int]])
        and _is_moment(record["declared"]) and _is_moment(record["began"])
    )


def _is_moment(text: str) -> bool:
    try:
        return isinstance(moment.parse(text), int)
    except InvalidInput:
        return False


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
