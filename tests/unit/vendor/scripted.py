# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A carbonio that answers what was recorded (recorded.yml)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Union

import yaml
from ansible_collections.restante.carbonio.plugins.module_utils.vendor.runner import Done

RECORDED: Mapping[str, Done] = {
    name: Done(one.get("status", 0), one.get("output", ""), one.get("errors", ""))
    for name, one in yaml.safe_load(Path(__file__).with_name("recorded.yml").read_text("utf-8")).items()
}


Script = Mapping[str, Union[str, Sequence[str], Exception]]
"""By the beginning of a command, the name of what was recorded, or the names, or an error to raise."""


class Scripted:
    """Answers each command with what was recorded under a name: the last one again, where it is asked more often."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._asked: dict[str, int] = {}
        self.commands: list[str] = []
        """What it was given, in order."""
        self.told: list[str] = []
        """What was on standard input."""

    def run(self, words: Sequence[str], told: str = "") -> Done:
        assert words[0] == "--json"
        line = told.strip() or " ".join(words[1:])
        self.commands.append(line)
        self.told += [told] if told else []
        begun = max((one for one in self._script if line.startswith(one)), key=len, default=None)
        assert begun is not None, f"Nothing was recorded for {line!r}."
        answer = self._script[begun]
        if isinstance(answer, str):
            answer = [answer]
        if isinstance(answer, Exception):
            raise answer
        number = self._asked.get(begun, 0)
        self._asked[begun] = number + 1
        return RECORDED[answer[min(number, len(answer) - 1)]]


Modules = Callable[..., tuple[dict[str, Any], list[str]]]
"""Runs a module by its name with a script and arguments: returns its result and the commands that it has given."""

SERVER = "srv1.example.com"
ID = "8d4ab1f1-33d6-4a1c-9a5e-0b7a3f7d5a11"
"""Of the operation that was recorded."""
BUCKET = "60b8139c-d56f-4012-a928-4b6182756301"
"""Of the bucket that was recorded."""

ENDED: Script = {
    f"backup monitor {ID}": "monitor of what has ended", "backup getAllOperations": "nothing runs",
    f"powerstore monitor {ID}": "monitor of what has ended", "powerstore getAllOperations": "nothing runs",
    "core getOperationLog": "log successful",
}
REPORTED: Script = {
    **ENDED, "core getNotification": ["notifications before", "notifications after"],
    "core getNotification id 43": "notification with a report",
}
