# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One mailbox of a scan: what changed in it since a token, its contents, and what is gone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from ..mailstore.port import MailStore
from ..model import kinds
from ..model.errors import NotFound, RestanteError
from ..model.state import ItemState
from ..operations.progress import Progress
from .recorder import Recorder, fingerprint
from .report import ScanReport

_PORTION_ITEMS: Final = 256
_PORTION_BYTES: Final = 8 * 1024 * 1024
"""How much is asked of the mail server at once."""


class _Unreadable(Exception):
    """The mail server did not give something. Apart from the Backup Path's errors, which end the scan."""


class _Vanished(Exception):
    """It was deleted while the scan was looking; the next scan will be told so."""


@contextlib.contextmanager
def _asking() -> Iterator[None]:
    """Tell the errors of the mail server from all others."""
    try:
        yield
    except NotFound as error:
        raise _Vanished(str(error)) from error
    except (RestanteError, OSError) as error:
        raise _Unreadable(str(error)) from error


class MailboxScan:
    """Scans mailboxes, one after the other, into a Recorder. An item that cannot be read never costs the others."""

    def __init__(
        self,
        store: MailStore,
        recorder: Recorder,
        report: ScanReport,
        progress: Progress,
        ended: Callable[[], bool],
        deep: bool = False,
    ) -> None:
        """
        :param ended: asked before each item; True leaves the mailbox there, so that the next scan goes on with it.
        :param deep: list everything, read every content, and write again those that the backup has lost.
        """
        self._store = store
        self._recorder = recorder
        self._repository = recorder.repository
        self._report = report
        self._progress = progress
        self._ended = ended
        self._deep = deep

    def scan(self, account_id: str, address: str) -> None:
        """Record what changed in a mailbox, and its new token if all of it could be read."""
        failed = self._report.read_errors
        try:
            with _asking():
                changes = self._store.changes(account_id, "" if self._deep else self._repository.token(account_id))
            # All that is known is needed only where the mail server cannot say what is gone.
            known = self._known(account_id) if changes.full else None
            for reason in changes.unseen:
                self._report.fail(address, "", reason)
            for states in _portions(_listed(changes.items)):
                if not self._portion(account_id, address, states, known):
                    return
        except _Vanished:
            return
        except _Unreadable as error:
            self._report.fail(address, "", str(error))
            return
        for item_id in changes.deleted if known is None else known:
            self._deletion(account_id, item_id)
            self._recorder.tick()
        if self._report.read_errors == failed:
            self._recorder.reached(account_id, changes.token)

    def _known(self, account_id: str) -> dict[str, int]:
        return {
            transaction.item_id: fingerprint(transaction.state)
            for transaction in self._repository.states(account_id)
            if transaction.state is not None
        }

    def _portion(
        self, account_id: str, address: str, states: Sequence[ItemState], known: dict[str, int] | None
    ) -> bool:
        """Record what is new of some items of a mailbox; False if the scan is to end before the last of them."""
        changed = []
        lost = set() if known is None else self._lost(states)
        for state in states:
            self._report.checked_items += 1
            self._progress.advance(1, state.size)
            before = self._before(account_id, state.item_id) if known is None else known.pop(state.item_id, None)
            if before is None or self._deep or before != fingerprint(state) or state.digest in lost:
                changed.append((state, before))
            else:
                self._report.skipped_items += 1
        wanted = self._without_content(state for state, _before in changed)
        contents = self._store.read_blobs(account_id, list(wanted))
        for state, before in changed:
            if self._ended():
                return False
            with _asking():
                content = next(contents) if state.item_id in wanted else None
            self._item(account_id, address, state, before, content)
            self._recorder.tick()
        return True

    def _lost(self, states: Iterable[ItemState]) -> set[str]:
        """Return the contents of some items that the backup once had, and a coherency check has taken out."""
        return self._recorder.missing({state.digest for state in states if state.digest})

    def _without_content(self, states: Iterable[ItemState]) -> dict[str, None]:
        """Return the ids of those items, in this order, whose content has to be read."""
        with_content = [state for state in states if state.kind in kinds.WITH_CONTENT]
        digests = {state.digest for state in with_content if state.digest and not self._deep}
        missing = self._recorder.missing(digests)
        return {
            state.item_id: None for state in with_content if state.digest not in digests or state.digest in missing
        }

    def _item(
        self, account_id: str, address: str, state: ItemState, before: int | None,
        content: bytes | Exception | None,
    ) -> None:
        """Record an item.

        :param before: the fingerprint that the backup has of it. :param content: None where the backup has it.
        """
        try:
            present = state if content is None else self._with_content(account_id, state, content)
        except _Vanished:
            self._report.skipped_items += 1
            return
        except _Unreadable as error:
            self._report.skipped_items += 1
            self._report.fail(address, state.item_id, str(error))
            return
        if before is None:
            self._report.new_items += 1
        elif before != fingerprint(present):
            self._report.updated_items += 1
        else:
            self._report.skipped_items += 1
            return
        self._recorder.record(account_id, present.item_id, present)

    def _before(self, account_id: str, item_id: str) -> int | None:
        last = self._repository.state(account_id, item_id)
        return None if last is None or last.state is None else fingerprint(last.state)

    def _deletion(self, account_id: str, item_id: str) -> None:
        last = self._repository.state(account_id, item_id)
        if last is not None and last.state is not None:
            self._recorder.delete(account_id, item_id, last.kind)
            self._report.deleted_items += 1

    def _with_content(self, account_id: str, state: ItemState, content: bytes | Exception) -> ItemState:
        """Bring an item's content into the backup if it is not there; return the state with its digest and size."""
        if isinstance(content, NotFound):
            present = self._present(account_id, state.item_id)
            if present.digest or present.size:
                raise _Unreadable(f"The mail server does not find its content ({content}).")
            return present  # there is such an item, and it has no content
        if isinstance(content, Exception):
            raise _Unreadable(str(content))
        digest = self._recorder.put_blob(content, repair=self._deep)
        if state.digest not in ("", digest):
            # Either it was changed since it was listed, or the mail server holds something else than it says.
            state = self._present(account_id, state.item_id)
            if state.digest not in ("", digest):
                raise _Unreadable(f"Its content has the SHA-256 {digest}; the mail server says {state.digest}.")
        return state._replace(digest=digest, size=len(content))

    def _present(self, account_id: str, item_id: str) -> ItemState:
        with _asking():
            present = self._store.item(account_id, item_id)
        if present is None:
            raise _Vanished
        return present


def _portions(states: Iterable[ItemState]) -> Iterator[Sequence[ItemState]]:
    """Cut a mailbox into what is read together."""
    portion: list[ItemState] = []
    size = 0
    for state in states:
        portion.append(state)
        size += state.size
        if len(portion) >= _PORTION_ITEMS or size >= _PORTION_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _listed(items: Iterable[ItemState]) -> Iterator[ItemState]:
    with _asking():
        yield from items
