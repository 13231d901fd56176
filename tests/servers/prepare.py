# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Install the servers of the tests, and their browser, where that is allowed, before any test begins and asks for one.

    build/env-test/bin/python -m tests.servers.prepare

What cannot be had is said by the tests that need it.
"""

from __future__ import annotations

from . import chromium, cyrus, dovecot, nodes, openldap, radicale, radosgw

if __name__ == "__main__":
    for get in (
        radosgw.missing, dovecot.missing, cyrus.missing, openldap.install, radicale.missing, chromium.missing,
        nodes.missing,
    ):
        reason = get()
        if reason:
            print(f"{get.__module__.rpartition('.')[2]}: {reason}")
