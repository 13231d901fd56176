# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What python -m runs."""

from __future__ import annotations

from .main import main

if __name__ == "__main__":
    raise SystemExit(main())
