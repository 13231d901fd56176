# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take the picture that README.md shows: the report of the last `make drill`, in a browser.

    build/env-test/bin/python -m tools.screenshot
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.servers import chromium

CHECKOUT = Path(__file__).resolve().parent.parent
REPORT = CHECKOUT / "build" / "drill" / "report" / "report.html"
PICTURE = CHECKOUT / "docs" / "images" / "drill-report.png"
HEIGHT = 715
"""Down to the end of the timeline, pixels."""


def main() -> int:
    """Take it; return the exit status."""
    reason = chromium.missing()
    if reason:
        raise SystemExit(f"There is no browser here: {reason}")
    if not REPORT.is_file():
        raise SystemExit(f"{REPORT} is not there; run make drill first.")
    with chromium.browser() as page:
        page.open(REPORT)
        page.prefer("light")
        picture = page.picture(HEIGHT)
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(picture)
    print(f"{PICTURE.relative_to(CHECKOUT)}: {len(picture)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
