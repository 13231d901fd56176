# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a Dovecot with some accounts until standard input ends: `python -m bench.mail_server <accounts>`.

Prints as JSON how it is reached; without a number, why it cannot be run here. Its mail is in mdbox, and on the disk
before it is acknowledged.
"""

from __future__ import annotations

import dataclasses
import json
import sys

from tests.servers.dovecot import dovecot, missing

from .steps.histories import account


def main() -> None:
    if not sys.argv[1:]:
        print(json.dumps({"missing": missing()}))
        return
    with dovecot() as server:
        server.add_accounts([account(number).name for number in range(int(sys.argv[1]))])
        settings = dataclasses.asdict(server.settings(sieve_port=0))
        print(json.dumps({"settings": settings, "configuration": str(server.configuration)}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
