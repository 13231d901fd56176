# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run an S3 server until standard input ends: `python -m bench.server`. Prints as JSON where it answers.

It is radosgw where that can be installed, since it is a real server; else moto, which is slow and so no basis for a
comparison, and for data so small that no number counts.
"""

from __future__ import annotations

import json
import sys

from tests.servers.moto_server import moto_server
from tests.servers.radosgw import missing, radosgw


def main() -> None:
    real = "moto" not in sys.argv[1:] and not missing()
    with radosgw() if real else moto_server() as endpoint:
        print(json.dumps({
            "endpoint": endpoint.url,
            "credentials": {"AWS_ACCESS_KEY_ID": endpoint.access_key, "AWS_SECRET_ACCESS_KEY": endpoint.secret_key},
            "description": "radosgw on this machine, its objects in memory" if real else "moto on this machine",
        }), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
