# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers: what the vendor's command says, and what it means where it has failed. No I/O.

With --json it answers {"ok": true, "response": ...}, or {"ok": false, "error": {"message": ...}}; ours, which takes the
same words, answers the response alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from ..model import foreign
from ..model.errors import (
    AlreadyExists,
    Damaged,
    InvalidInput,
    NotFound,
    Refused,
    RestanteError,
    Unavailable,
)
from .fields import OPERATION_IDS, field, mappings, message
from .runner import Done
from .words import HIDDEN, Command

_QUOTED: Final = 600
"""Characters of what the command says that a message repeats."""

_PROMPT: Final = re.compile(r"^carbonio>[ \t]*", re.MULTILINE)
"""Printed where a command was read from standard input."""

_CLASSES: Final[Sequence[tuple[re.Pattern[str], type[RestanteError], str]]] = tuple(
    (re.compile(pattern, re.IGNORECASE), error, what_now) for pattern, error, what_now in (
        (
            "unable to (communicate|connect)|connection refused|timed? ?out|not running|temporarily|unavailable",
            Unavailable, "See whether the mail server and its backup service run, then run this again.",
        ),
        (
            "requires more parameters|no command|no parameter|unknown (command|parameter)|syntax",
            InvalidInput, "This version of carbonio takes other words than this collection knows; please report it.",
        ),
        ("permission|not allowed|denied|licen[cs]e", Refused, "See that it may be done by this user, on this node."),
        ("already (exists|in use)|is taken", AlreadyExists, "Choose another name, or use what is there."),
        (
            "no such|not found|(does|do) not exist|unknown|unable to find|there is no|knows no|has no",
            NotFound, "Check the name, or the id.",
        ),
        (r"\b(invalid|illegal|wrong)\b|cannot be|not a valid|must be", InvalidInput, "Correct what was given."),
    )
)


def answer_of(command: Command, done: Done) -> Any:
    """Return what a command has answered.

    :raises RestanteError: it has failed, of the class that its words stand for, in a sentence that repeats them.
    :raises Damaged: it has not, and what it says is no JSON.
    """
    output = _PROMPT.sub("", done.output).strip()
    try:
        answer = foreign.parse(output) if output else None
    except ValueError as error:
        if done.status == 0 and _UNREACHABLE.search(output) is None:
            raise Damaged(
                f"{command.shown} has ended well, but its answer cannot be read ({error}): {_said(command, output)}. "
                "Look at what it has done before running this again."
            ) from error
        answer = None
    if isinstance(answer, dict) and answer.get("ok") is False:
        raise _failure(command, done, message(answer.get("error", answer)))
    if done.status or answer is None and output:
        raise _failure(command, done, message(answer) if answer else done.errors.strip() or output)
    if answer is None:
        raise Damaged(f"{command.shown} has ended well, and answered nothing. Look at what it has done.")
    return _response(answer)


_UNREACHABLE: Final = _CLASSES[0][0]


def _response(answer: Any) -> Any:
    while isinstance(answer, dict) and "ok" in answer and "response" in answer:
        answer = answer["response"]
    return answer


def _failure(command: Command, done: Done, words: str) -> RestanteError:
    said = _said(command, words) or "nothing."
    how = f"exit status {done.status}" if done.status >= 0 else f"killed by signal {-done.status}"
    for pattern, error, what_now in _CLASSES:
        if pattern.search(words):
            return error(f"{command.shown} has failed ({how}), saying: {said} {what_now}")
    return Refused(f"{command.shown} has failed ({how}), saying: {said} Put that right, then run this again.")


def _said(command: Command, words: str) -> str:
    """Return what the command says, for a message: without secrets, in one line, ended."""
    for secret in command.secrets:
        words = words.replace(secret, HIDDEN)
    words = " ".join(words.split())[:_QUOTED]
    return words if not words or words[-1] in ".!?" else f"{words}."


_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def operation_id(command: Command, answer: Any) -> str:
    """Return the id of the operation that a command has started.

    :raises Damaged: it has told none, or several that might be it.
    """
    told = next((found for found in (field(one, *OPERATION_IDS) for one in mappings(answer)) if found), None)
    if told:
        return str(told)
    ids: set[str] = set(_UUID.findall(str(answer)))
    if len(ids) == 1:
        return ids.pop()
    raise Damaged(
        f"{command.shown} was accepted, but has not told the id of its operation: {_said(command, str(answer))} "
        "carbonio core getAllOperations shows whether it runs."
    )


def bucket_id(command: Command, answer: Any) -> str:
    """Return the id of a bucket configuration that was made. :raises Damaged: it was not told."""
    found = _UUID.search(str(answer))
    if found is None:
        raise Damaged(
            f"{command.shown} was accepted, but has not told the id of the bucket: {_said(command, str(answer))} "
            "carbonio core listBuckets all shows it."
        )
    return found[0]
