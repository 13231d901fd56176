# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The master keys of a node: out of a file, an environment variable, or the output of a command as key services have.

The first one is for what is made; the others, if there are any, open what another node has made, or one's own past.
"""

from __future__ import annotations

import base64
import os
import re
import shlex
import stat
import subprocess
from collections.abc import Sequence
from typing import Final

from ..model.errors import InvalidInput, NotFound, Refused, Unavailable
from .settings import Settings

SIZE: Final = 32
"""Bytes of a master key."""

_COMMAND_SECONDS: Final = 60.0
_LARGEST: Final = 64 * 1024
_HEXADECIMAL = re.compile(f"[0-9a-fA-F]{{{2 * SIZE}}}")
_BASE64 = re.compile(r"[0-9a-zA-Z+/]{43}=")
"""As it writes 32 bytes. Asked strictly, Python before 3.11 still takes one = too many."""
_HOW: Final = "32 random bytes as 64 hexadecimal digits or as base64; make one with: openssl rand -hex 32"


def of(settings: Settings) -> Sequence[bytes]:
    """Return the master keys that settings name, the one for new backups first; empty where they name none.

    :raises NotFound: there is no such file or variable. :raises InvalidInput: what is there is no master key.
    :raises Refused: it cannot be read, or others may read it too. :raises Unavailable: the command fails.
    """
    if settings.encryption_key_file:
        return parse(_from_file(settings.encryption_key_file), settings.encryption_key_file)
    if settings.encryption_key_variable:
        name = settings.encryption_key_variable
        if name not in os.environ:
            raise NotFound(
                f"The master key is to come from the environment variable {name}, which is not set; set it for the "
                "process and the services that work with the backup."
            )
        return parse(os.environ[name], f"the environment variable {name}")
    if settings.encryption_key_command:
        return parse(_from_command(settings.encryption_key_command), "what encryption_key_command has printed")
    return ()


def parse(text: str, where: str) -> Sequence[bytes]:
    """Return master keys from how people write them, with white space between two.

    :param where: for messages, which never tell what it says. :raises InvalidInput: there is none, or something else.
    """
    words = text.split()
    if not words:
        raise InvalidInput(f"The master key in {where} is none. It must be {_HOW}.")
    return [_key(word, where) for word in words]


def _key(text: str, where: str) -> bytes:
    if _HEXADECIMAL.fullmatch(text):
        return bytes.fromhex(text)
    if not _BASE64.fullmatch(text):
        raise InvalidInput(f"The master key in {where} is none. It must be {_HOW}.")
    return base64.b64decode(text)


def _from_file(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_LARGEST)
    except FileNotFoundError as error:
        raise NotFound(
            f"The master key {path} does not exist; put it there from where it is kept. Without it the backup cannot "
            "be read."
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"The master key in {path} is none. It must be {_HOW}.") from error
    except OSError as error:
        reason = error.strerror
        raise Refused(f"The master key {path} cannot be read ({reason}); give it to the service user.") from error
    if stat.S_IMODE(mode) & 0o077:
        raise Refused(f"Others than its owner may read the master key {path}; take that from them: chmod 600 {path}.")
    return text


def _from_command(command: str) -> str:
    try:
        done = subprocess.run(
            shlex.split(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=_COMMAND_SECONDS, check=False,
        )
    except (OSError, ValueError, IndexError) as error:  # the last: it is empty
        raise Refused(f"encryption_key_command cannot be run ({error}); check what the settings say.") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(
            f"encryption_key_command has not ended after {_COMMAND_SECONDS:.0f} seconds; check whether the service "
            "that it asks answers, then run this again."
        ) from error
    if done.returncode:
        raise Unavailable(
            f"encryption_key_command has ended with the status {done.returncode}, saying: "
            f"{done.stderr.decode(errors='replace').strip()[:500] or 'nothing'}. Put that right, then run this again."
        )
    return done.stdout.decode("ascii", errors="replace")
