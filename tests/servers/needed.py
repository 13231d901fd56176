# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what cannot be had everywhere."""

from __future__ import annotations

import os

import pytest


def needed(what: str, reason: str) -> None:
    """End a test that needs something which cannot be had: a failure in CI, where everything can be installed.

    :param reason: why it cannot be had; empty where it can.
    """
    if reason and os.environ.get("CI"):
        pytest.fail(f"{what} cannot be run: {reason}")
    if reason:
        pytest.skip(f"{what} cannot be run: {reason}")
