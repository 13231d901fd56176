# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tuning a node for an External Restore, and putting everything back as it was (R-162 to R-165).

What was found is written to restore_tuning.json in the node's state path before anything is changed. So a restore that
was killed, and its machine with it, leaves a note, and whoever puts things back next knows how they were.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from ..mailstore.volumes import PRIMARY, Volume, Volumes
from ..model import foreign
from ..model.errors import InvalidInput
from . import settings as settings_file
from .call import Call
from .node import Node
from .settings import EMBEDDED

FILE: Final = "restore_tuning.json"


class Tuning(NamedTuple):
    """What is tuned."""

    realtime_scanner: bool
    redo_log: bool
    compressed: Mapping[str, bool]
    """Whether a volume compresses, by its id."""


class Tunable(Protocol):
    """What can be tuned, as the engine of the node reaches it."""

    def present(self) -> Tuning:
        """Return how it is set."""

    def receiving(self) -> Sequence[str]:
        """Return the ids of the volumes that a restore writes to."""

    def possible(self, wanted: Tuning) -> Tuning:
        """Return what is wanted without what cannot be set here."""

    def apply(self, present: Tuning, wanted: Tuning) -> None:
        """Set it."""


def answer(call: Call) -> dict[str, Any]:
    """Answer the module restore_tuning."""
    node = call.node()
    with _volumes(node) as store:
        return tune(node, call, _Own(node, store))


def tune(node: Node, call: Call, tunable: Tunable) -> dict[str, Any]:
    """Tune a node as the module's arguments say, or put it back as it was."""
    noted = _noted(node)
    present = tunable.present()
    if call["state"] == "original":
        wanted = noted or present
    else:
        wanted = Tuning(
            realtime_scanner=call["realtime_scanner"],
            redo_log=call["redo_log"],
            compressed={
                **present.compressed, **(dict.fromkeys(tunable.receiving(), True) if call["compress"] else {})
            },
        )
    # A volume may have been deleted since, or made.
    wanted = tunable.possible(wanted._replace(compressed={
        volume_id: wanted.compressed.get(volume_id, compressed)
        for volume_id, compressed in present.compressed.items()
    }))
    if not call.check_mode:
        if call["state"] == "tuned" and noted is None:
            settings_file.write(_file(node), present._asdict())
        tunable.apply(present, wanted)
        if call["state"] == "original":
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_file(node))
    return {
        "changed": present != wanted,
        "tuning": wanted._asdict(),
        "diff": {"before": present._asdict(), "after": wanted._asdict()},
    }


@contextlib.contextmanager
def _volumes(node: Node) -> Iterator[Volumes | None]:
    """Open the mail store where it has volumes and a redo log; of another one the Realtime Scanner alone is tuned."""
    if node.settings.mailstore_adapter != EMBEDDED:
        yield None
        return
    with contextlib.closing(node.store_with_volumes()) as store:
        yield store


class _Own:
    """A node of our engine."""

    def __init__(self, node: Node, store: Volumes | None) -> None:
        self._node = node
        self._store = store

    def _listed(self) -> Sequence[Volume]:
        return self._store.volumes() if self._store else ()

    def present(self) -> Tuning:
        compressed = {volume.volume_id: volume.compressed for volume in self._listed()}
        redo_log = self._store is not None and self._store.redo_log()
        return Tuning(self._node.settings.realtime_scanner, redo_log, compressed)

    def receiving(self) -> Sequence[str]:
        return [one.volume_id for one in self._listed() if one.current and one.volume_type == PRIMARY]

    def possible(self, wanted: Tuning) -> Tuning:
        return wanted._replace(redo_log=wanted.redo_log and self._store is not None)

    def apply(self, present: Tuning, wanted: Tuning) -> None:
        if wanted.realtime_scanner != present.realtime_scanner:
            settings = dataclasses.replace(self._node.settings, realtime_scanner=wanted.realtime_scanner)
            settings_file.save(self._node.config_file, settings)
        if self._store is None:
            return
        self._store.set_redo_log(wanted.redo_log)
        for volume in self._store.volumes():
            self._store.update_volume(volume._replace(compressed=wanted.compressed[volume.volume_id]))


def _noted(node: Node) -> Tuning | None:
    try:
        with open(_file(node), encoding="utf-8") as file:
            return foreign.record(Tuning, foreign.parse(file.read()))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InvalidInput(
            f"{_file(node)} cannot be read. Set the Realtime Scanner, the redo log and the compression of the volumes "
            "as you want them, and remove the file."
        ) from error


def _file(node: Node) -> str:
    return os.path.join(node.settings.state_path, FILE)
