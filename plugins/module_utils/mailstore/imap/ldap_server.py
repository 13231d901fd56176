# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection to an LDAP server: searches, writes, and what its errors mean in a sentence.

This is the only place of the collection that imports python-ldap.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from ...model.errors import AlreadyExists, InvalidInput, NotFound, Refused, RestanteError, Unavailable
from .ldap_names import is_dn, key
from .ldap_tls import doubt, system_authorities
from .settings import ImapSettings

try:
    import ldap
    from ldap.controls import SimplePagedResultsControl

    LDAP_MISSING = ""
except ImportError:
    LDAP_MISSING = traceback.format_exc()

ADD: Final = 0
REPLACE: Final = 2
"""What becomes of an attribute in a modification (RFC 4511 section 4.6); without values, REPLACE removes it."""

ENTRY: Final = 0
CHILDREN: Final = 1
ALL: Final = 2
"""What a search looks at (RFC 4511 section 4.5.1.2): the base, what lies directly under it, or it and all below."""

PAGE: Final = 250
"""Entries that are asked for at once: few enough to be held in memory, and fewer than servers give at most."""

Attributes = Mapping[str, Sequence[bytes]]
Change = tuple[int, str, Sequence[bytes]]
"""ADD or REPLACE, an attribute, and values."""
Result = TypeVar("Result")


class Found:
    """An entry as the directory has it."""

    def __init__(self, dn: str, attrs: Attributes) -> None:
        self.dn = dn
        self.attrs = attrs
        self._lower = {name.lower(): values for name, values in attrs.items()}

    def values(self, attribute: str) -> Sequence[bytes]:
        """Return the values of an attribute; its case does not matter."""
        return self._lower.get(attribute.lower(), ())

    def texts(self, attribute: str) -> list[str]:
        """Return the values of an attribute that is text."""
        return [value.decode("utf-8", "replace") for value in self.values(attribute)]

    def text(self, attribute: str) -> str:
        """Return the first value of an attribute that is text, empty for none."""
        return next(iter(self.texts(attribute)), "")


class LdapServer:
    """One server, connected to when it is first asked something.

    Methods raise Unavailable when it does not answer, InvalidInput when a setting is to blame, Refused when it says no,
    NotFound and AlreadyExists of entries.
    """

    def __init__(self, settings: ImapSettings) -> None:
        """:raises InvalidInput: python-ldap is missing, or a setting cannot be used."""
        if LDAP_MISSING:
            raise InvalidInput(
                "A directory in LDAP needs the Python library python-ldap: apt install python3-ldap, or pip install "
                "python-ldap."
            )
        if settings.ldap_bind_dn and not settings.ldap_password:
            raise InvalidInput(f"imap has no ldap_password to bind as {settings.ldap_bind_dn!r} with; give it.")
        if settings.ldap_url.startswith("ldaps:") and settings.ldap_starttls:
            raise InvalidInput(f"{settings.ldap_url} is encrypted from the start: leave out ldap_starttls.")
        if not is_dn(settings.ldap_base):
            raise InvalidInput(f"ldap_base of imap is {settings.ldap_base!r}; give a DN such as dc=example,dc=com.")
        self._settings = settings
        self._connection: Any = None
        self._doubt = ""
        """What seems to be wrong with the certificate of a server that is being connected to."""

    def close(self) -> None:
        """Leave the server."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(ldap.LDAPError):
                connection.unbind_s()

    def search(self, base: str, scope: int, wanted: str, attributes: Sequence[str]) -> list[Found]:
        """Return what a filter finds; it is little.

        :param scope: ENTRY, CHILDREN or ALL of the base; a base that does not exist has none of them.
        """
        return self.reading(lambda: self._search(base, scope, wanted, attributes))

    def everything(self, wanted: str, attributes: Sequence[str]) -> Iterator[Found]:
        """Yield all that a filter finds, page by page (RFC 2696). What breaks off is not begun again: see reading."""
        control = SimplePagedResultsControl(False, size=PAGE, cookie="")
        while True:
            found, controls = self._ask(self._settings.ldap_base, ALL, wanted, attributes, [control])
            yield from found
            cookies = [answer.cookie for answer in controls if answer.controlType == control.controlType]
            if not cookies or not cookies[0]:
                return
            control.cookie = cookies[0]

    def reading(self, read: Callable[[], Result]) -> Result:
        """Return what a function reads; a broken connection is made anew once, and all is read again."""
        try:
            return read()
        except Unavailable:
            return read()

    def get(self, dn: str, attributes: Sequence[str]) -> Found | None:
        """Return the entry of this DN, None if there is none."""
        return next(iter(self.search(dn, ENTRY, "(objectClass=*)", attributes)), None)

    def add(self, dn: str, attributes: Attributes) -> None:
        """Add an entry. :raises NotFound: what it would lie under does not exist."""
        with self._explained(f"add {dn!r}"):
            self._connected().add_s(dn, [(name, list(values)) for name, values in attributes.items() if values])

    def modify(self, dn: str, changes: Sequence[Change]) -> None:
        """Change an entry, in one operation: all of it or nothing."""
        with self._explained(f"change {dn!r}"):
            self._connected().modify_s(dn, [(how, name, list(values) or None) for how, name, values in changes])

    def rename(self, dn: str, rdn: str, drop: bool, above: str | None = None) -> None:
        """Give an entry another first part of its DN.

        :param drop: whether the value that it had there goes. :param above: what it lies under from now on.
        """
        with self._explained(f"rename {dn!r}"):
            self._connected().rename_s(dn, rdn, above, delold=int(drop))

    def delete(self, dn: str) -> None:
        """Remove an entry that nothing lies under."""
        with self._explained(f"delete {dn!r}"):
            self._connected().delete_s(dn)

    def _search(self, base: str, scope: int, wanted: str, attributes: Sequence[str]) -> list[Found]:
        try:
            return self._ask(base, scope, wanted, attributes, [])[0]
        except NotFound:
            return []

    def _ask(
        self, base: str, scope: int, wanted: str, attributes: Sequence[str], controls: list[Any]
    ) -> tuple[list[Found], list[Any]]:
        try:
            with self._explained("search the directory"):
                connection = self._connected()
                number = connection.search_ext(base, scope, wanted, list(attributes), serverctrls=controls)
                _kind, found, _number, answers = connection.result3(number, timeout=self._settings.timeout)
        except NotFound as error:
            if scope != ENTRY and key(base) == key(self._settings.ldap_base):
                raise InvalidInput(
                    f"There is no entry {base!r} at {self._settings.ldap_url}, or {self._who()} may not see it. Check "
                    "ldap_base."
                ) from error
            raise
        # An answer without a DN refers to another server.
        return [Found(dn, attrs) for dn, attrs in found if dn is not None], answers

    def _connected(self) -> Any:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> Any:
        settings = self._settings
        try:
            connection = ldap.initialize(settings.ldap_url)
        except ldap.LDAPError as error:
            raise InvalidInput(
                f"ldap_url of imap is {settings.ldap_url!r}; give one such as ldaps://ldap.example.com."
            ) from error
        connection.protocol_version = 3
        connection.timeout = settings.timeout
        for option in (ldap.OPT_NETWORK_TIMEOUT, ldap.OPT_TIMEOUT):
            connection.set_option(option, float(settings.timeout))
        connection.set_option(ldap.OPT_REFERRALS, 0)
        if settings.ldap_starttls:
            self._encrypt(connection)
            with self._explained("begin TLS"):
                connection.start_tls_s()
        elif settings.ldap_url.startswith("ldaps:"):
            self._encrypt(connection)
            self._doubt = doubt(settings.ldap_url, settings.ca_file, settings.timeout)
        with self._explained("log in"):
            connection.simple_bind_s(settings.ldap_bind_dn, settings.ldap_password)
        self._doubt = ""
        return connection

    def _encrypt(self, connection: Any) -> None:
        """Have the server's certificate checked, whatever ldap.conf or the environment say."""
        trusted = self._settings.ca_file or connection.get_option(ldap.OPT_X_TLS_CACERTFILE) or system_authorities()
        try:
            if trusted:
                connection.set_option(ldap.OPT_X_TLS_CACERTFILE, trusted)
            connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
            connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        except ValueError as error:
            raise InvalidInput(
                f"{trusted} cannot be used as ca_file: it cannot be read, or is no PEM file of certificates."
            ) from error

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        """Turn what python-ldap raises inside the with statement into an error of ours."""
        try:
            yield
        except ldap.LDAPError as error:
            meaning = self._meaning(error, f"Cannot {doing} at {self._settings.ldap_url}")
            if isinstance(meaning, Unavailable):
                self.close()  # the next call connects anew
            raise meaning from error
        except ValueError as error:  # NUL where the library takes none, and halves of characters
            raise InvalidInput(f"Cannot {doing}: a name in it is no text that LDAP can carry.") from error

    def _meaning(self, error: Exception, what: str) -> RestanteError:
        words = _words(error)
        if isinstance(error, ldap.CONNECT_ERROR) or (isinstance(error, ldap.SERVER_DOWN) and self._doubt):
            why = self._doubt or "or it speaks no TLS that is good enough"
            return Refused(f"{what}: its certificate is not trusted ({why}). Give ca_file, and check the host name.")
        if isinstance(error, (
            ldap.SERVER_DOWN, ldap.TIMEOUT, ldap.TIMELIMIT_EXCEEDED, ldap.BUSY, ldap.UNAVAILABLE,
        )):
            return Unavailable(f"{what}: it does not answer ({words}). Check ldap_url, and that the server runs.")
        if isinstance(error, ldap.INVALID_CREDENTIALS):
            return InvalidInput(
                f"{what}: it does not know {self._who()} with this password. Check ldap_bind_dn and ldap_password."
            )
        if isinstance(error, (
            ldap.INAPPROPRIATE_AUTH, ldap.STRONG_AUTH_REQUIRED, ldap.CONFIDENTIALITY_REQUIRED,
            ldap.AUTH_METHOD_NOT_SUPPORTED, ldap.INVALID_DN_SYNTAX,
        )) and what.startswith("Cannot log in"):
            return InvalidInput(
                f"{what} as {self._who()} ({words}). Check ldap_bind_dn, ldap_password, and whether the server wants "
                "an encrypted connection (ldaps:// or ldap_starttls)."
            )
        if isinstance(error, ldap.ALREADY_EXISTS):
            return AlreadyExists(f"{what}: it is there already.")
        if isinstance(error, ldap.NO_SUCH_OBJECT):
            return NotFound(f"{what}: it is not there, or {self._who()} may not see it.")
        if isinstance(error, (ldap.SIZELIMIT_EXCEEDED, ldap.ADMINLIMIT_EXCEEDED)):
            return Refused(
                f"{what}: it does not give as many entries as there are to {self._who()} ({words}). Raise its limits "
                "for this user (OpenLDAP: olcLimits, size.prtotal)."
            )
        if isinstance(error, ldap.INSUFFICIENT_ACCESS) and what.startswith("Cannot search"):
            return Refused(f"{what}: {self._who()} may not read there ({words}). Let this user, or bind as another.")
        if isinstance(error, ldap.INSUFFICIENT_ACCESS):
            return Refused(
                f"{what}: for {self._who()} it is read only ({words}). Let this user write there, or bind as another."
            )
        if isinstance(error, ldap.REFERRAL) or (isinstance(error, ldap.UNWILLING_TO_PERFORM) and "restrict" in words):
            return Refused(f"{what}: this server is read only ({words}). Let ldap_url be the one that takes changes.")
        return Refused(f"{what}: the server refuses it ({words}).")

    def _who(self) -> str:
        return self._settings.ldap_bind_dn or "nobody (an anonymous bind)"


def _words(error: Exception) -> str:
    """Return what the server said."""
    told = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    silent = isinstance(error, (ldap.SERVER_DOWN, ldap.TIMEOUT))  # then libldap repeats what was said of something else
    said = [str(told[name]) for name in (("desc",) if silent else ("desc", "info")) if told.get(name)]
    return ": ".join(said) or type(error).__name__
