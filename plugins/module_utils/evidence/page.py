# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A drill's record as one page of HTML that needs nothing else: no script, no font, no picture, no network. No I/O.

Whatever stems from mail, or from a file that others may have written, is escaped; the page allows itself nothing but
its own style sheet, so that not even a fault here could run or load anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from . import durations, pictures
from .history import SHOWN
from .style import sheet
from .tables import ROWS, Column, Marked, left_out, table

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

KINDS: Final[Mapping[str, str]] = {
    "account": "Accounts", "domain": "Domains", "cos": "Classes of service", "distribution_list": "Distribution lists",
    "folder": "Folders", "message": "Messages", "contact": "Contacts", "contact_group": "Contact groups",
    "appointment": "Appointments", "task": "Tasks", "document": "Documents", "tag": "Tags",
    "mountpoint": "Mounted shares", "data_source": "Data sources", "filter_set": "Filters",
}

FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "content": ("Content", "SHA-256 of every byte that the restored store hands out"),
    "flags": ("Flags", "read, answered, flagged, ..."),
    "folder": ("Folder", "the whole path"),
    "tags": ("Tags", "by name"),
    "date": ("Date", "to the millisecond"),
    "name": ("Name", "of folders, documents, tags, ..."),
    "grants": ("Shares", "who may do what with a folder"),
    "owner_id": ("Mounted shares", "whose folder is mounted"), "remote_id": ("Mounted shares", ""),
    "uid": ("Calendar entries", "their UID; times, guests and alarms are part of the content"),
    "members": ("Members", "of contact groups and distribution lists"),
    "aliases": ("Aliases", "further addresses"),
}
"""What is compared, as people call it; everything else counts as further attributes."""

_OTHERS: Final = ("Further attributes", "colours, quotas, preferences, and all else that an item or an account has")

_MOMENTS: Final[Mapping[str, tuple[str, str]]] = {
    "declared": ("Declared", "The loss is declared; both RPO and RTO are counted from here."),
    "began": ("Begun", "The drill has begun."),
    "metadata": ("Metadata fetched", "All is known of the backup; the mail itself is still in the archive."),
    "provisioned": ("Accounts provisioned", "Every account is there and could be logged in to."),
    "first_mailbox": ("First mailbox usable", "One mailbox has its folders and its newest message."),
    "newest_mail": ("Newest mail everywhere", "Every mailbox has its folders and its newest message."),
    "complete": ("Everything restored", "The restore has ended. The RTO is counted to here."),
    "verified": ("Everything verified", "Every item was compared with the backup."),
}

_BASES: Final[Mapping[str, str]] = {
    "commit": "when the newest commit of the backup was made",
    "scan": "when a SmartScan began that found nothing newer than the newest commit",
    "realtime": "up to when the Realtime Scanner had seen that there was nothing newer",
}


def render(record: Mapping[str, Any]) -> str:
    """Return the page of a drill's record."""
    node, verdict = escape(record["node"]), "passed" if record["passed"] else "failed"
    body = "\n".join(part for make in _SECTIONS for part in make(record))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>Recovery drill of {node}, {escape(_day(record))}: {verdict}</title>
<style>
{sheet()}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def when(iso: str) -> str:
    """Return a moment for people: 2026-03-28 08:29:49 UTC."""
    return f"{iso[:10]} {iso[11:19]} UTC" if iso else "not reached"


# -- the sections ------------------------------------------------------------------------------------------------------


def _head(record: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h1>Recovery drill of {escape(record['node'])}</h1>"
    yield f'<p class="lead">{escape(when(record["timeline"][0]["at"]))} &middot; {_extent(record)}</p>'
    if record["passed"]:
        yield (
            '<div class="verdict"><b>PASSED</b><p>Every item that the drill was about came back out of the backup, was '
            "compared with it, and is the same.</p></div>"
        )
    else:
        count = len(record["reasons"])
        yield (
            f'<div class="verdict failed"><b>FAILED</b><p>{count} finding{"s" if count > 1 else ""} stand'
            f'{"" if count > 1 else "s"} against it.</p></div>'
        )
        yield '<ul class="reasons">' + "".join(f"<li>{escape(reason)}</li>" for reason in record["reasons"]) + "</ul>"
    yield "<dl class=\"figures\">" + "".join(_figures(record)) + "</dl>"


def _extent(record: Mapping[str, Any]) -> str:
    extent = record["extent"]
    if not extent:
        return "it did not come to know the accounts of the backup"
    number, of = extent["accounts_restored"], extent["accounts_of_backup"]
    if extent["whole"]:
        return f"the whole backup, {of:,} account{'s' if of != 1 else ''}"
    return f"a random sample of {number:,} of {of:,} accounts, drawn with the seed {escape(extent['seed'])}"


def _figures(record: Mapping[str, Any]) -> Iterator[str]:
    items = record["items"].values()
    expected, verified = (sum(one.get(name, 0) for one in items) for name in ("expected", "verified"))
    left = len(record["unrestored_items"])
    yield _target(record, "rpo", "Recovery point (RPO)")
    yield _target(record, "rto", "Recovery time (RTO)")
    style = "good" if expected and expected == verified else "bad"
    yield _figure("Items verified", f"{verified:,}", f"of {expected:,} in the backup", style)
    yield _figure("Not restored", f"{left:,}", "each with its reason below" if left else "nothing was left out",
                  "bad" if left else "good")


def _target(record: Mapping[str, Any], name: str, title: str) -> str:
    reached, target = record[f"{name}_seconds"], record["targets"][f"{name}_seconds"]
    value = "unknown" if reached is None else durations.tell(reached)
    if target is None:
        return _figure(title, value, "no target was fixed", "")
    missed = reached is None or reached > target
    note = f"target {durations.short(target)}, {'missed' if missed else 'met'}"
    return _figure(title, value, note, "bad" if missed else "good")


def _figure(title: str, value: str, note: str, style: str) -> str:
    return (
        f'<div><dt>{escape(title)}</dt><dd class="value {style}">{escape(value)}</dd>'
        f'<dd class="note">{escape(note)}</dd></div>'
    )


def _timeline(record: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Timeline</h2>"
    yield f"<figure>{pictures.timeline(record)}</figure>"
    rows = []
    for one in record["timeline"]:
        name, meaning = _MOMENTS[one["name"]]
        rows.append((name, when(one["at"]).replace(" UTC", ""), _ago(one["seconds"]), meaning))
    yield table(
        "The moments of the drill, each measured when it came.",
        (Column("Moment"), Column("At (UTC)", "time"), Column("After", "number"), Column("What it means", "text")),
        rows,
    )
    point = record["recovery_point"]
    if point["at"]:
        yield (
            f"<p>The recovery point is {escape(when(point['at']))}: {_BASES.get(point['basis'], '')}. What changed "
            "between it and the declaration would be lost, and its age is the RPO.</p>"
        )
    lag = record["lag"]
    if lag:
        behind = (
            f"{lag['commits']:,} commits behind the Backup Path of the node; the oldest of them had been waiting for "
            f"{durations.tell(lag['seconds'])}" if lag["commits"] else "level with the Backup Path of the node"
        )
        yield f"<p>When the drill began, the archive was {behind}.</p>"


def _trend(record: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Trend</h2>"
    past = record["past"][-SHOWN:]
    if not past:
        yield "<p>This is the first drill of this node that is remembered. From the next one on, the trend is here.</p>"
        return
    drills = [*past, {**record, "began": record["timeline"][1]["at"]}]
    failed = sum(not one["passed"] for one in drills)
    told = f"{failed} of them failed, marked by a cross" if failed else "all of them passed"
    yield f"<p>The last {len(drills)} drills, the newest on the right; {told}.</p>"
    yield '<div class="pair">'
    for name, title in (("rpo", "Recovery point (RPO)"), ("rto", "Recovery time (RTO)")):
        bars = [pictures.Bar(one["began"][5:10], one[f"{name}_seconds"], one["passed"]) for one in drills]
        picture = pictures.trend(f"trend-{name}", title, bars, record["targets"][f"{name}_seconds"])
        yield f"<figure>{picture}</figure>"
    yield "</div>"


def _items(record: Mapping[str, Any]) -> Iterator[str]:
    if not record["items"]:
        return
    yield "<h2>What came back</h2>"
    columns = (
        ("expected", "In the backup"), ("restored", "Restored"), ("verified", "Verified"), ("missing", "Missing"),
        ("different", "Different"), ("unrestored", "Not restored"), ("unexpected", "Unexpected"),
    )
    shown = [one for one in columns if any(one[0] in counts for counts in record["items"].values())]
    order = list(KINDS)
    kinds = sorted(record["items"], key=lambda kind: (order.index(kind) if kind in order else len(order), kind))
    rows = [
        (KINDS.get(kind, kind), *(_count(record["items"][kind].get(name, 0), name) for name, _title in shown))
        for kind in kinds
    ]
    total = (
        "Total", *(f"{sum(one.get(name, 0) for one in record['items'].values()):,}" for name, _title in shown)
    )
    yield table(
        "Counted by kind; accounts, domains and lists count as items too.",
        (Column("Kind"), *(Column(title, "number") for _name, title in shown)), rows, total,
    )


def _count(count: int, name: str) -> str:
    if count and name in ("missing", "different", "unrestored", "unexpected"):
        return Marked(f"{count:,}")
    return f"{count:,}"


def _compared(record: Mapping[str, Any]) -> Iterator[str]:
    groups: dict[tuple[str, str], list[int]] = {}
    for field, counts in record["compared"].items():
        title, meaning = FIELDS.get(field, _OTHERS)
        if field in ("kind", "size", "digest"):  # the content says it better
            continue
        key = next((one for one in groups if one[0] == title), (title, meaning))
        total = groups.setdefault(key, [0, 0])
        total[0] += counts["compared"]
        total[1] += counts["differing"]
    if not groups:
        return
    yield "<h2>What was compared</h2>"
    order = [title for title, _meaning in (*FIELDS.values(), _OTHERS)]
    rows = [
        (title, meaning, f"{compared:,}", _count(differing, "different"))
        for (title, meaning), (compared, differing) in sorted(groups.items(), key=lambda one: order.index(one[0][0]))
    ]
    yield table(
        "Each value that an item has in the backup or in the restored store, on both sides.",
        (
            Column("Of each item"), Column("Meaning", "text"), Column("Compared", "number"),
            Column("Differing", "number"),
        ),
        rows,
    )


def _accounts(record: Mapping[str, Any]) -> Iterator[str]:
    if not record["accounts"]:
        return
    yield "<h2>Accounts</h2>"
    slowest = sorted(record["accounts"], key=lambda one: (one["whole"], -(one["complete_seconds"] or 0)))
    timed = any(one["complete_seconds"] is not None for one in slowest)
    times = ("newest_mail_seconds", "complete_seconds") if timed else ()
    rows = [
        (
            one["address"], f"{one['expected']:,}", f"{one['verified']:,}", *(_ago(one[name]) for name in times),
            "whole" if one["whole"] else Marked("not whole"),
        )
        for one in slowest
    ]
    yield table(
        "Those with findings first" + (", then those that took longest." if timed else "."),
        (
            Column("Account", "text"), Column("Items", "number"), Column("Verified", "number"),
            *((Column("Newest mail back", "number"), Column("Complete", "number")) if timed else ()), Column("Result"),
        ), rows,
    )


def _ago(seconds: float | None) -> str:
    if seconds is None:
        return "not reached"
    return f"+ {durations.tell(seconds)}" if seconds else "0"


def _findings(record: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>What did not come back</h2>"
    if not (record["unrestored_items"] or record["differences"] or record["damages"]):
        yield "<p>Nothing.</p>" if record["passed"] else "<p>Nothing, as far as the drill has come.</p>"
    if record["unrestored_items"]:
        yield table(
            "Items that could not be restored, each with its reason.",
            (Column("Account", "text"), Column("Kind"), Column("Item"), Column("Cause"), Column("Reason", "text")),
            [
                (one["account"] or "the directory", one["kind"], one["item_id"], one["cause"], one["reason"])
                for one in record["unrestored_items"]
            ],
        )
    left = {(one["account"], one["item_id"]) for one in record["unrestored_items"]}
    differences = [
        one for one in record["differences"]
        if one["field"] != "missing" or (one["account"], one["item_id"]) not in left  # it has been said
    ]
    if differences:
        yield table(
            "Differences between the backup and the restored store"
            + (f"; {record['differences_found']:,} were found, and the first are here."
               if record["differences_found"] > len(record["differences"]) else "."),
            (Column("Account", "text"), Column("Kind"), Column("Item"), Column("What"), Column("In the backup", "text"),
             Column("Restored", "text")),
            [
                (one["account"] or "the directory", one["kind"], one["item_id"], one["field"], one["expected"],
                 one["found"])
                for one in differences
            ],
        )
    if record["damages"]:
        yield table(
            "Damages of the backup itself.",
            (Column("File", "text"), Column("Damage", "text"), Column("Consequence", "text")),
            [(one["file"], one["reason"], one["consequence"]) for one in record["damages"]],
        )
    if record["warnings"]:
        yield "<h2>Remarks of the restore</h2>"
        yield '<ul class="reasons">' + "".join(f"<li>{escape(one)}</li>" for one in record["warnings"][:ROWS]) + "</ul>"
        yield left_out(len(record["warnings"]))


def _provenance(record: Mapping[str, Any]) -> Iterator[str]:
    backup, extent = record["backup"], record["extent"]
    yield "<h2>How it was done</h2>"
    yield f"<p>{escape(record['how'])}</p>"
    facts = [
        ("Drill", record["id"]),
        ("Run by", f"{record['ran_by']} on {record['node']}"),
        ("Source", f"{'the archive' if backup['source'] == 'archive' else 'a Backup Path'}, {backup.get('where', '')}"),
        ("Backup", f"commit {backup['commit']} of {when(backup['last_commit_at'])}" if "commit" in backup else ""),
        ("Newest change in it", when(backup["last_transaction_at"]) if backup.get("last_transaction_at") else ""),
        ("Repository", backup.get("repository_id", "")),
        ("Mail server", backup.get("server_id", "")),
        ("Encrypted", {True: "yes", False: "no"}.get(backup.get("encrypted"), "")),
        ("Versions", ", ".join(f"{name} {version}" for name, version in record["versions"].items())),
        ("Configuration", f"SHA-256 {record['configuration_sha256']}" if record["configuration_sha256"] else ""),
    ]
    if extent and not extent["whole"]:
        facts.append(("Sample", f"{extent['rule']}, with the seed {extent['seed']}: {', '.join(extent['sample'])}"))
        facts.append((
            "What it can tell",
            f"Had more than {extent['undetected_accounts']:,} of the {extent['accounts_of_backup']:,} accounts been "
            "damaged, such a sample would have shown it with a probability of 95 % or more.",
        ))
    yield "<dl class=\"facts\">" + "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts if value
    ) + "</dl>"


def _seal(record: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>How to check this report</h2>"
    check = "sha256sum --check SHA256SUMS"
    if not record["signing_key"]:
        yield f"<p>The report is not signed. {escape(record['unsigned_because'])}</p>"
        yield f"<pre>{check}</pre>"
        return
    yield (
        "<p>SHA256SUMS has the SHA-256 of each file of the report, and SHA256SUMS.sig the node's signature of it. Hold "
        "it against the public key that was kept elsewhere, here <code>kept.pem</code>, and not against one that came "
        "with the report:</p>"
    )
    yield (
        f"<pre>{check}\nopenssl pkeyutl -verify -pubin -inkey kept.pem -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig"
        "</pre>"
    )
    yield f"<p>SHA-256 of the public key: <code>{escape(record['signing_key'])}</code></p>"


def _foot(record: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"<footer>restante.carbonio {escape(record['versions'].get('restante.carbonio', ''))} &middot; drill "
        f"{escape(record['id'])} &middot; report.json has all of this for machines.</footer>"
    )


_SECTIONS: Final[Sequence[Callable[[Mapping[str, Any]], Iterator[str]]]] = (
    _head, _timeline, _trend, _items, _compared, _accounts, _findings, _provenance, _seal, _foot,
)


def _day(record: Mapping[str, Any]) -> str:
    return str(record["timeline"][0]["at"][:10])
