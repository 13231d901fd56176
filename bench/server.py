# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run an S3 server until standard input ends: `python -m bench.server <directory>`. Prints as JSON where it answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tools.drill.s3_server import S3Server


def main() -> None:
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True)
    with S3Server(directory / "server.log") as server:
        credentials = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", **server.credentials}
        print(json.dumps({"endpoint": server.endpoint, "credentials": credentials, "description": "moto"}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
