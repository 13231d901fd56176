# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runners: what carries out the vendor's command line. A process, in earnest; anything with run(), in a test.

Only here is a process started: by its path and a list of words, never by a shell, in an environment of its own, as the
service user, for whom alone the vendor's command is meant.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

from ..model.errors import NotFound, Refused, Unavailable

DEFAULT_PATH: Final = "/opt/zextras/bin/carbonio"
DEFAULT_USER: Final = "zextras"
DEFAULT_SECONDS: Final = 300
"""The command starts a Java machine and asks the server: seconds are usual, minutes are not."""

_SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Done(NamedTuple):
    """What became of one run."""

    status: int
    """The exit status; negative for the signal that ended it."""
    output: str
    errors: str
    """What it has written to standard error."""


class Runner(Protocol):
    """Carries out the command."""

    def run(self, words: Sequence[str], told: str = "") -> Done:
        """Run the command to its end.

        :param words: its arguments, without its own name. :param told: what it reads from standard input.
        :raises NotFound: there is no such command, or no such user. :raises Refused: it may not be run.
        :raises Unavailable: it has not ended in time, and was killed.
        """


class Process:
    """The command as a process."""

    def __init__(self, path: str = DEFAULT_PATH, user: str = DEFAULT_USER, seconds: float = DEFAULT_SECONDS) -> None:
        """
        :param path: of the command. :param user: who runs it; empty for whoever runs this.
        :param seconds: after which it is given up.
        """
        self._path = path
        self._user = user
        self._seconds = seconds

    def run(self, words: Sequence[str], told: str = "") -> Done:
        """Run it; as Runner says."""
        owner = self._owner()
        try:
            process = subprocess.Popen(
                [self._path, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                cwd="/", env=self._environment(owner), start_new_session=True, **_as(owner),
            )
        except FileNotFoundError as error:
            raise NotFound(
                f"{self._path} does not exist on this node, and its engine is set to carbonio. Install Carbonio "
                "Backup, name its command (carbonio_command), or set engine to restante."
            ) from error
        except OSError as error:
            raise Refused(
                f"{self._path} cannot be run ({error.strerror}); check its mode, and carbonio_command of the settings."
            ) from error
        try:
            output, errors = process.communicate(told.encode(), timeout=self._seconds)
        except subprocess.TimeoutExpired as error:
            raise Unavailable(
                f"{self._path} has not ended within {self._seconds:g} s, and was killed. Whether the server has begun "
                "what it was told, its getAllOperations shows. Look whether the mail server works, then run this again."
            ) from error
        finally:
            if process.poll() is None:  # it has children of its own
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        return Done(process.returncode, output.decode(errors="replace"), errors.decode(errors="replace"))

    def _owner(self) -> pwd.struct_passwd:
        """Return who the process is to be."""
        present = os.geteuid()
        try:
            owner = pwd.getpwnam(self._user) if self._user else pwd.getpwuid(present)
        except KeyError as error:
            raise NotFound(
                f"This node has no user {self._user or present}, whose command {self._path} is; correct carbonio_user."
            ) from error
        if present not in (0, owner.pw_uid):
            raise Refused(
                f"{self._path} is for the user {owner.pw_name}, and this runs as another one; set become: true and "
                f"become_user: {owner.pw_name} for the task."
            )
        return owner

    def _environment(self, owner: pwd.struct_passwd) -> dict[str, str]:
        return {
            "PATH": f"{os.path.dirname(self._path)}:{_SYSTEM_PATH}", "HOME": owner.pw_dir, "USER": owner.pw_name,
            "LOGNAME": owner.pw_name, "LC_ALL": "C.UTF-8",
            **{name: os.environ[name] for name in ("TZ",) if name in os.environ},
        }


def _as(owner: pwd.struct_passwd) -> dict[str, Any]:
    """Return what makes root's process that of a user, its groups included; nothing where it is that already."""
    if os.geteuid() == owner.pw_uid:
        return {}
    groups = os.getgrouplist(owner.pw_name, owner.pw_gid)
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": groups}
