# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Links of guides, on the site."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from tools import docsite

FILES = docsite.REPOSITORY


@pytest.mark.parametrize(("place", "link", "on_the_site"), [
    ("docs", "[x](drill.md#a-sample)", "[x](drill.md#a-sample)"),
    ("docs", "[x](https://example.com/../y)", "[x](https://example.com/../y)"),
    ("docs", "[drill](../roles/drill)", "[drill](/drill_role.rst)"),
    ("docs", "[x](../roles/drill/README.md)", f"[x]({FILES}/roles/drill/README.md)"),
    ("docs", "[x](../a/b.yml) [y](../README.md)", f"[x]({FILES}/a/b.yml) [y]({FILES}/README.md)"),
    ("docs/policies", "[x](../security.md#the-services)", "[x](../security.md#the-services)"),
    ("docs/policies", "[x](../../CONTRIBUTING.md#a-weakness)", f"[x]({FILES}/CONTRIBUTING.md#a-weakness)"),
])
def test_a_link_leads_to_a_page_of_the_site_or_to_the_repository(place: str, link: str, on_the_site: str) -> None:
    assert docsite.linked(link, PurePosixPath(place)) == on_the_site


def test_the_list_of_guides_is_that_of_the_folder() -> None:
    contents = "# Guides\n\n## Begin\n\n- [A](a-b.md): x, [y](p/README.md)\n\n## Go on\n\n- [C](c.md)\n"
    assert [line.strip() for line in docsite.listed(contents).splitlines() if line and "maxdepth" not in line] == [
        ".. toctree::", ":caption: Begin", "/guides/a-b", "/guides/p/README",
        ".. toctree::", ":caption: Go on", "/guides/c",
    ]


def test_a_program_that_fails_fails_the_build(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(docsite.Failed):
        docsite.run("python", "-c", "print('broken'); raise SystemExit(3)")
    assert capfd.readouterr().out == "broken\n"
