# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two mail nodes with users of their own, and one that stands by."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fleet.fleet_kit import MAIL, Fleet, running_fleet
from tests.servers import nodes, radosgw
from tests.servers.needed import needed
from tests.servers.nodes import USER, Node


@pytest.fixture(scope="module")
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    needed("The fleet", nodes.missing() or radosgw.missing())
    # With the services, which take a while to install, in one of the modules.
    services = {"backup_setup_service": request.module.__name__.endswith("test_every_day")}
    with running_fleet(tmp_path_factory.mktemp("fleet"), service_python=sys.executable, **services) as fleet:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: furnish(fleet, name), MAIL))
        yield fleet


def furnish(fleet: Fleet, name: str) -> None:
    """Give a node its users and their mail."""
    node = fleet.nodes[name]
    node.run("install", "-d", "-m", "0700", "-o", USER, "/var/lib/restante", user="root")
    fleet.on(name, "fill", name, "400")
    lend_libraries(node)


def lend_libraries(node: Node) -> None:
    """Give a node the libraries of the tests for its service, which are not fetched from elsewhere once more."""
    libraries = sysconfig.get_path("purelib", vars={"base": "/opt/restante", "platbase": "/opt/restante"})
    node.run("sh", "-c", f"mkdir -p {libraries} && cd {libraries} && ln -s {sysconfig.get_path('purelib')}/[a-z]* . && "
             "rm -f pip pip-* setuptools* *.pth", user="root")
