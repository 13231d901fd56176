# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The services of a node, by their names (R-304)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ..model.errors import NotFound
from . import realtime, standby
from .following import run as be_realtime
from .node import Node
from .service import Service, log
from .standing_by import LOOK_SECONDS
from .standing_by import run as be_standby


class _Named(NamedTuple):
    service: Service
    status: Callable[[Node], dict[str, Any]]


REALTIME: Final = realtime.SERVICE
STANDBY: Final = "standby"

_SERVICES: Final = {
    REALTIME: _Named(realtime.REALTIME, realtime.status),
    STANDBY: _Named(standby.STANDBY, standby.status),
}


def find(service_name: str) -> Service:
    """Return the service of a name. :raises NotFound: there is none."""
    return _find(service_name).service


def status(node: Node, service_name: str) -> dict[str, Any]:
    """Return what a service does. :raises NotFound: there is none."""
    return _find(service_name).status(node)


def _find(service_name: str) -> _Named:
    found = _SERVICES.get(service_name.lower())
    if found is None:
        raise NotFound(f"There is no service {service_name!r}; there is {' and '.join(_SERVICES)}.")
    return found


def be(node: Node, service_name: str, commit_seconds: int = 1, look_seconds: int = LOOK_SECONDS) -> None:
    """Be a service, until SIGTERM.

    :param commit_seconds: of the Realtime Scanner, between two commits. :param look_seconds: of the standby, between
        two looks for a new one. :raises NotFound: there is none of the name, or this node is no standby.
    """
    if find(service_name) is realtime.REALTIME:
        be_realtime(node, commit_seconds, log)
    else:
        be_standby(node, look_seconds, log)


def shown(node: Node) -> dict[str, Any]:
    """Return the services of a node, each with could_start, could_stop, running and why it could not be started."""
    return {name: _shown(node, named.service) for name, named in _SERVICES.items()}


def _shown(node: Node, service: Service) -> dict[str, Any]:
    running = bool(service.pid_file(node).pid())
    could_start = not running and (service is not standby.STANDBY or standby.may_follow(node))
    found: dict[str, Any] = {"could_start": could_start, "could_stop": running, "running": running}
    if running:
        found["could_not_start_because"] = "it runs"
    elif not could_start:
        found["could_not_start_because"] = "this node is no standby, or does not follow any more"
    return found
