# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Radicale: CardDAV and CalDAV, each account with one home for both.

It knows no master user, so that all accounts have the same password here: a test logs in as each of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import daemon
from .ports import HOST, free_port

REQUIREMENT = "radicale>=3,<4"
PLACE = daemon.BUILD / "radicale"
INSTALLED = PLACE / f"python-{sys.version_info[0]}.{sys.version_info[1]}"
"""Beside the tests' environment, whose packages it may not change."""
PASSWORD = "password-of-all-accounts"


def missing() -> str:
    """Return why Radicale cannot be run here, empty when it can; installs it first, below build/."""
    with daemon.alone(PLACE):
        if INSTALLED.exists():
            return ""
        new = PLACE / "new"
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", new, REQUIREMENT],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )
        if done.returncode:
            return f"pip install failed: {done.stderr.strip()[-500:]}"
        new.rename(INSTALLED)
    return ""


class Radicale(daemon.Server):
    """A Radicale, and what tests do with it besides talking to it."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.password = PASSWORD
        users = directory / "state" / "users"
        super().__init__(directory, self.port, [
            sys.executable, "-m", "radicale", "--config", "", "--hosts", f"{HOST}:{self.port}",
            "--auth-type", "htpasswd", "--auth-htpasswd-filename", users, "--auth-htpasswd-encryption", "plain",
            "--auth-delay", "0", "--storage-filesystem-folder", directory / "state" / "collections",
        ], {**os.environ, "PYTHONPATH": str(INSTALLED)}, greets=False)
        self._users = users
        self._homes = directory / "state" / "collections" / "collection-root"
        users.touch()

    def settings(self) -> dict[str, str]:
        """Return what lets the engine find it, as settings beside those of a mail server."""
        home = f"{self.url}/{{user}}/"
        return {
            "carddav_url": home, "caldav_url": home, "dav_user_template": "{user}", "dav_password": self.password,
        }

    def add_account(self, address: str) -> None:
        """Let an address be an account."""
        if not address or ":" in address or "\n" in address:
            raise ValueError(f"{address!r} cannot be an account's address.")
        self._let_in([*self._accounts(), address])

    def remove_account(self, address: str) -> None:
        """Let an address be no account any more, and what it has be gone."""
        self._let_in([other for other in self._accounts() if other != address])
        if address in os.listdir(self._homes) if self._homes.exists() else ():
            shutil.rmtree(self._homes / address)

    def _let_in(self, accounts: list[str]) -> None:
        self._list(accounts)
        new = self._users.with_suffix(".new")
        new.write_text("".join(f"{address}:{self.password}\n" for address in accounts), encoding="utf-8")
        new.replace(self._users)


@contextmanager
def radicale() -> Iterator[Radicale]:
    """Serve DAV on a free port of 127.0.0.1 for as long as the with statement lasts. Up in half a second."""
    with daemon.running(Radicale) as server:
        yield server
