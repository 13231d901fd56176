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
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ..mailstore.volumes import PRIMARY, Volumes
from ..model import foreign
from ..model.errors import InvalidInput
from . import settings as settings_file
from .call import Call
from .node import Node

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
    with contextlib.closing(node.store_with_volumes()) as store:
        noted = _noted(node)
        present = _present(node, store)
        if call["state"] == "original":
            wanted = noted or present
        else:
            current = [one.volume_id for one in store.volumes() if one.current and one.volume_type == PRIMARY]
            wanted = Tuning(
                realtime_scanner=call["realtime_scanner"],
                redo_log=call["redo_log"],
                compressed={**present.compressed, **(dict.fromkeys(current, True) if call["compress"] else {})},
            )
        # A volume may have been deleted since, or made.
        wanted = wanted._replace(compressed={
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


def _present(node: Node, store: Volumes) -> Tuning:
    compressed = {volume.volume_id: volume.compressed for volume in store.volumes()}
    return Tuning(node.settings.realtime_scanner, store.redo_log(), compressed)


def _apply(node: Node, store: Volumes, present: Tuning, wanted: Tuning) -> None:
    if wanted.realtime_scanner != present.realtime_scanner:
        settings = dataclasses.replace(node.settings, realtime_scanner=wanted.realtime_scanner)
        settings_file.save(node.config_file, settings)
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
