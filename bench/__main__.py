# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure the engine against other programs, on the same bytes, in one run: `make bench`."""

from __future__ import annotations

import argparse
import datetime
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from . import mail_peers, measures, peers, report
from .measure import CHECKOUT, Failed
from .place import SCALES, Place

CORPUS = CHECKOUT.parent / "shared" / "corpus"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--scale", choices=SCALES, default="full", help="how large the data are")
    parser.add_argument("--corpus", type=Path, default=CORPUS if CORPUS.is_dir() else None,
                        help="a folder of mail to take the messages from (default: ../shared/corpus, else generated)")
    parser.add_argument("--server", choices=("radosgw", "moto"), default="radosgw", help="the S3 server")
    parser.add_argument("--work", type=Path, default=CHECKOUT / "build" / "bench", help="emptied, used and removed")
    parser.add_argument("--document", type=Path, help="whose tables to renew (at full scale: docs/benchmarks.md)")
    parser.add_argument("--only", nargs="*", default=[], choices=measures.NAMES, metavar="what",
                        help=f"of {', '.join(measures.NAMES)}; a part's table is renewed when all of it was measured")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    document = options.document or (CHECKOUT / "docs" / "benchmarks.md" if options.scale == "full" else None)
    reason = peers.missing() or mail_peers.missing()
    if reason:
        print(f"make bench: {reason}", file=sys.stderr)
        return 1
    data = options.work.resolve() / "data"
    shutil.rmtree(options.work, ignore_errors=True)
    data.mkdir(parents=True)
    results = options.work / "results.json"
    done: list[report.Row] = []
    try:
        with peers.serve(options.server) as server:
            place = Place(data, SCALES[options.scale], server, options.corpus)
            for part, all_of_it in measures.PARTS.items():
                rows: list[report.Row] = []
                chosen = measures.chosen(part, options.only)
                for row in (row for measure in chosen for row in measure(place)):
                    rows.append(row)
                    print(report.line(row), flush=True)
                    # After each, so that a run that is stopped keeps what it has measured.
                    results.write_text(report.as_json([*done, *rows], place.growth.as_json()) + "\n", encoding="utf-8")
                done += rows
                if document and len(chosen) == len(all_of_it):
                    _write(document, part, rows, place)
            results.write_text(report.as_json(done, place.growth.as_json()) + "\n", encoding="utf-8")
    except Failed as failure:
        print(f"make bench: {failure}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(data)
    return 0


def _write(document: Path, part: str, rows: Sequence[report.Row], place: Place) -> None:
    """Renew the results of a part in a document."""
    today = datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat()
    server, versions, growth = mail_peers.DESCRIPTION, mail_peers.versions(), ""
    if part == "backup":
        server, versions, growth = f"S3: {place.server.description}", peers.versions(), place.growth.write(document)
    report.write(document, part, report.section(rows, place.describe(), server, versions, today, growth))


if __name__ == "__main__":
    sys.exit(main())
