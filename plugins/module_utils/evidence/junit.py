# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A drill as JUnit XML, for build servers and dashboards: a test case for each thing that has to be so. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from xml.etree import ElementTree

from . import durations

SHOWN: Final = 20
"""Findings that the failure of an account names."""

_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Case(NamedTuple):
    """One test case."""

    suite: str
    name: str
    failure: str = ""
    """Why it has failed; empty where it has passed."""
    details: str = ""
    skipped: str = ""
    seconds: float = 0.0


def render(record: Mapping[str, Any]) -> bytes:
    """Return a drill's record as JUnit XML."""
    cases = list(_cases(record))
    root = ElementTree.Element("testsuites", {"name": f"drill of {clean(record['node'])}", **_counts(cases)})
    for suite in dict.fromkeys(case.suite for case in cases):
        of_suite = [case for case in cases if case.suite == suite]
        about = {"name": suite, "timestamp": record["timeline"][0]["at"], "hostname": clean(record["node"])}
        element = ElementTree.SubElement(root, "testsuite", {**about, **_counts(of_suite)})
        for case in of_suite:
            _add(element, case)
    ElementTree.indent(root)
    text: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def clean(text: str) -> str:
    """Return a text without what XML 1.0 cannot have in it, not even escaped; names in mail hold anything."""
    return _NO_XML.sub("\ufffd", text)


def _add(suite: ElementTree.Element, case: Case) -> None:
    element = ElementTree.SubElement(
        suite, "testcase", classname=f"restante.drill.{case.suite}", name=clean(case.name), time=f"{case.seconds:.3f}"
    )
    if case.failure:
        failure = ElementTree.SubElement(element, "failure", message=clean(case.failure), type="finding")
        failure.text = clean(case.details or case.failure)
    elif case.skipped:
        ElementTree.SubElement(element, "skipped", message=clean(case.skipped))


def _counts(cases: list[Case]) -> dict[str, str]:
    return {
        "tests": str(len(cases)), "failures": str(sum(bool(case.failure) for case in cases)), "errors": "0",
        "skipped": str(sum(bool(case.skipped) for case in cases)),
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }


def _cases(record: Mapping[str, Any]) -> Iterator[Case]:
    yield Case("drill", "comes to its end", record["error"], seconds=_duration(record))
    damages = record["damages"]
    yield Case(
        "drill", "the backup is not damaged", f"{len(damages)} damages" if damages else "",
        "\n".join(f"{one['file']}: {one['reason']} {one['consequence']}" for one in damages),
    )
    for name in ("rpo", "rto"):
        yield _target(record, name)
    for kind, counts in record["items"].items():
        yield _of_kind(kind, counts)
    for name, counts in record["compared"].items():
        wrong = counts["differing"]
        yield Case("fields", name, f"differs in {wrong} of {counts['compared']}" if wrong else "")
    for account in record["accounts"]:
        yield _of_account(record, account)


def _duration(record: Mapping[str, Any]) -> float:
    reached = [one["seconds"] for one in record["timeline"] if one["seconds"] is not None]
    began = next(one["seconds"] for one in record["timeline"] if one["name"] == "began")
    return float(max(reached[-1] - (began or 0.0), 0.0))


def _target(record: Mapping[str, Any], name: str) -> Case:
    target, reached = record["targets"][f"{name}_seconds"], record[f"{name}_seconds"]
    if target is None:
        return Case("targets", name.upper(), skipped="No target was fixed.")
    if reached is None:
        return Case("targets", name.upper(), "It was not found out.")
    told = f"{durations.tell(reached)} of {durations.short(target)}"
    return Case("targets", name.upper(), f"missed: {told}" if reached > target else "", seconds=reached)


def _of_kind(kind: str, counts: Mapping[str, int]) -> Case:
    wrong = {name: counts.get(name, 0) for name in ("missing", "different", "unrestored", "unexpected")}
    told = ", ".join(f"{count} {name}" for name, count in wrong.items() if count)
    if "verified" not in counts and not told:
        told = "not verified"
    return Case("kinds", kind, f"{told} of {counts.get('expected', 0)}" if told else "")


def _of_account(record: Mapping[str, Any], account: Mapping[str, Any]) -> Case:
    address = account["address"]
    if account["whole"]:
        return Case("accounts", address)
    details = [
        f"{one['kind']} {one['item_id']}: {one['cause']}: {one['reason']}"
        for one in record["unrestored_items"] if address in (one["account"], one["item_id"])
    ]
    details += [
        f"{one['kind']} {one['item_id']}: {one['field']}: expected {one['expected']}, found {one['found']}"
        for one in record["differences"] if one["account"] == address
    ]
    return Case(
        "accounts", address, f"{account['verified']} of {account['expected']} items verified",
        "\n".join([*details[:SHOWN], *([f"and {len(details) - SHOWN} more"] if len(details) > SHOWN else [])]),
    )
