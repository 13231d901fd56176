# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that start, stop and show the services of a node (reference, sections 2.4 and 3.0)."""

from __future__ import annotations

from typing import Any, Final

from ..runtime import services
from ..runtime.node import Node
from ..runtime.standing_by import LOOK_SECONDS
from .grammar import INTEGER, TEXT, Command, Parameter


def _start(node: Node, service_name: str) -> Any:
    return "service started" if services.find(service_name).start(node) else "the service runs already"


def _stop(node: Node, service_name: str) -> Any:
    return "service stopped" if services.find(service_name).stop(node) else "the service does not run"


def _restart(node: Node, service_name: str) -> Any:
    service = services.find(service_name)
    service.stop(node)
    service.start(node)
    return "service restarted"


def _run(node: Node, service_name: str, commit_seconds: int, look_seconds: int) -> Any:
    services.be(node, service_name, commit_seconds, look_seconds)
    return "service stopped"


_SERVICE: Final = Parameter("service_name", TEXT, f"{services.REALTIME} or {services.STANDBY}")
_EXAMPLE: Final = f" {services.REALTIME}"

COMMANDS: Final = (
    Command("backup", ("getServices",), "show the services of this node", services.shown),
    Command(
        "backup", ("doStartService",), "start a service", _start, (_SERVICE,), example="doStartService" + _EXAMPLE,
    ),
    Command(
        "backup", ("doStopService",), "stop a service; what it has seen is committed", _stop, (_SERVICE,),
        example="doStopService" + _EXAMPLE,
    ),
    Command(
        "backup", ("doRestartService",), "stop a service and start it", _restart, (_SERVICE,),
        example="doRestartService" + _EXAMPLE,
    ),
    Command(
        "backup", ("getServiceStatus",), "show what a service does, how far it is and whether there is a gap",
        services.status, (_SERVICE,), example="getServiceStatus" + _EXAMPLE,
    ),
    Command(
        "backup", ("doRunService",), "be a service, until SIGTERM: what its systemd unit runs", _run, (_SERVICE,),
        (
            Parameter("commit_seconds", INTEGER, "between two commits, where things happen all the time", 1),
            Parameter("look_seconds", INTEGER, "of the standby, between two looks for a new commit", LOOK_SECONDS),
        ),
        example="doRunService" + _EXAMPLE,
    ),
)
