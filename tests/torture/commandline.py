# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tortures understand on the command line."""

from __future__ import annotations

import argparse
import random


def parser(prog: str, description: str, seconds: float) -> argparse.ArgumentParser:
    """Return what reads how long to go on, and by which seed. :param seconds: the default."""
    made = argparse.ArgumentParser(prog=prog, description=description)
    made.add_argument("--seconds", type=float, default=seconds, help="how long (default: %(default)s)")
    made.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="repeat a run by it")
    return made


def parser_of_jobs(prog: str, description: str, seconds: float) -> argparse.ArgumentParser:
    """Return one that also reads what to disturb, and how often."""
    made = parser(prog, description, seconds)
    made.add_argument("--count", type=int, default=0, help="how many disturbances, however long that takes")
    made.add_argument("--job", action="append", default=[], help="only this work; may be given more than once")
    made.add_argument("--all", action="store_true", help="every disturbance at every step, once")
    return made
