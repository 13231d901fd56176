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
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from ..mailstore.volumes import PRIMARY, Volumes
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


def answer(call: Call) -> dict[str, Any]:
    """Answer the module restore_tuning."""
    node = call.node()
    with _volumes(node) as store:
        noted = _noted(node)
        present = _present(node, store)
        if call["state"] == "original":
            wanted = noted or present
        else:
            volumes = store.volumes() if store else []
            current = [one.volume_id for one in volumes if one.current and one.volume_type == PRIMARY]
            wanted = Tuning(
                realtime_scanner=call["realtime_scanner"],
                redo_log=call["redo_log"],
                compressed={**present.compressed, **(dict.fromkeys(current, True) if call["compress"] else {})},
            )
        # A volume may have been deleted since, or made.
        wanted = wanted._replace(redo_log=wanted.redo_log and store is not None, compressed={
            volume_id: wanted.compressed.get(volume_id, compressed)
            for volume_id, compressed in present.compressed.items()
        })
        if not call.check_mode:
            if call["state"] == "tuned" and noted is None:
                settings_file.write(_file(node), present._asdict())
            _apply(node, store, present, wanted)
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


def _present(node: Node, store: Volumes | None) -> Tuning:
    compressed = {volume.volume_id: volume.compressed for volume in store.volumes()} if store else {}
    return Tuning(node.settings.realtime_scanner, store is not None and store.redo_log(), compressed)


def _apply(node: Node, store: Volumes | None, present: Tuning, wanted: Tuning) -> None:
    if wanted.realtime_scanner != present.realtime_scanner:
        settings = dataclasses.replace(node.settings, realtime_scanner=wanted.realtime_scanner)
        settings_file.save(node.config_file, settings)
    if store is None:
        return
    store.set_redo_log(wanted.redo_log)
    for volume in store.volumes():
        store.update_volume(volume._replace(compressed=wanted.compressed[volume.volume_id]))


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
