# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong, as sentences for the person who must act."""

from __future__ import annotations


class RestanteError(Exception):
    """The base of every error that is meant to be read by an administrator.

    Its text is the whole message: what failed, on what, and what to do now.
    """


class NotFound(RestanteError):
    """Something that was named does not exist: an account, a domain, an item, a bucket, a file."""


class AlreadyExists(RestanteError):
    """Something that was to be created is there already."""


class InvalidInput(RestanteError):
    """An argument, a setting or a file given by the user cannot be used as it is."""


class NotABackup(RestanteError):
    """A directory or a prefix holds no backup, or one that this version cannot read."""


class Damaged(RestanteError):
    """Stored data is unreadable, cut short or altered: its bytes do not match their digest."""


class Busy(RestanteError):
    """Another writer or another operation holds what is needed."""


class Refused(RestanteError):
    """The other side (a mail server, an object store, the file system) refused the request."""


class Locked(Refused):
    """An object store must keep what was to be removed: its retention has not ended, or it is on legal hold."""


class Unavailable(RestanteError):
    """The other side did not answer, or answered that it cannot serve now; trying again may help."""
