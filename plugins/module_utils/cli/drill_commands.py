# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands of the drill, which the vendor has not."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..model.errors import Refused
from ..runtime import drill, drill_reports, metrics
from ..runtime.drill_options import SOURCES, Options
from ..runtime.node import Node
from .grammar import BOOLEAN, INTEGER, PATH, TEXT, Command, Parameter, Type, choice
from .parameters import NOTIFICATIONS

_TYPES: Final[Mapping[type, Type]] = {bool: BOOLEAN, int: INTEGER, str: TEXT}
_HELP: Final[Mapping[str, str]] = {
    "source": "by default the archive, where there is one",
    "source_path": "another Backup Path, or another archive",
    "bucket_configuration_id": "another bucket, by its Bucket ID",
    "volume_prefix": "the one of the backup that wrote to that bucket",
    "server_id": "the server, where the archive has the backups of several",
    "witness": "what the uploads have noted of the archive",
    "sample": "so many accounts, or so many percent, at random: 20, 10%",
    "seed": "draws the same sample again",
    "rpo_target": "how old the recovery point may be: 15m, 4h, 1d",
    "rto_target": "how long the recovery may take",
    "declared": "when the loss was declared",
    "report_path": "the directory for reports",
    "scratch_path": "the directory for the scratch store",
    "keep": "leave the scratch store there",
    "signing_key": "the private key that the report is signed with",
    "metrics_path": "a file for the textfile collector of Prometheus",
    "concurrent_accounts": "how many at the same time",
    "reports_keep": "so many of the newest reports; 0 for all",
    "due_after_days": "not where the last one has passed and is younger",
}


def _drill(node: Node, notifications: Sequence[str], **given: Any) -> Mapping[str, Any]:
    options = Options(**given)
    last = drill.due(node, options)
    if last is not None:
        return {"not_due": f"The last drill has passed. Its report: {last['report_path']}"}
    result = drill.drill(node, options, notifications)
    if result and not result["passed"]:
        raise Refused(drill.failed(result))
    return {name: value for name, value in result.items() if name != "drill"}


def _drills(node: Node) -> Any:
    return [
        {name: one[name] for name in (
            "declared", "passed", "rpo_seconds", "rto_seconds", "accounts", "verified", "expected", "report_path",
        )}
        for one in drill_reports.past(node).past()
    ]


def _key(node: Node) -> Any:
    return drill_reports.public_key(node)


def _verify(node: Node, report_path: str, public_key: str) -> Any:
    found = drill_reports.verify(node, report_path, public_key)
    if not found["genuine"]:
        raise Refused(f"The report {report_path} is not genuine. {found['problem']}")
    return found


def _metrics(node: Node) -> Any:
    return metrics.collect(node)


def _write_metrics(node: Node, metrics_path: str) -> Any:
    return metrics.write(node, metrics_path)


COMMANDS: Final = (
    Command(
        "backup", ("doDrill",), "restore the backup into a scratch store, compare it, and leave a report", _drill,
        optional=(
            *(
                Parameter(
                    field.name,
                    choice(*SOURCES) if field.name == "source" else
                    PATH if field.name.endswith("_path") or field.name in ("witness", "signing_key") else
                    _TYPES[type(field.default)],
                    _HELP[field.name], field.default,
                )
                for field in dataclasses.fields(Options)
            ),
            NOTIFICATIONS,
        ),
        example="doDrill sample 10% rpo_target 1h rto_target 8h", works_long=True,
    ),
    Command("backup", ("getDrills",), "show the drills that are remembered", _drills),
    Command("backup", ("getDrillKey",), "show the public key that reports of drills are signed with", _key),
    Command(
        "backup", ("verifyDrill",), "say whether the report of a drill is genuine", _verify,
        (Parameter("report_path", PATH, "its directory"),),
        (Parameter("public_key", PATH, "the key that was kept; this node's own without it", ""),),
        example="verifyDrill /var/lib/restante/drills/reports/20260328T083000Z-0c6b4d58 public_key kept.pem",
    ),
    Command("backup", ("getMetrics",), "show what Prometheus is told of the backup and its drills", _metrics),
    Command(
        "backup", ("writeMetrics",), "write it to a file for the textfile collector", _write_metrics,
        (Parameter("metrics_path", PATH, "the file, which ends in .prom"),),
        example="writeMetrics /var/lib/prometheus/node-exporter/restante.prom",
    ),
)
