# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build the site of the collection: a page for each module and role, and the guides of docs/.

    build/env-test/bin/python tools/docsite.py            -> build/docsite/html/index.html
    build/env-test/bin/python tools/docsite.py --check    as the tests do: all is read and resolved, no page written

Every warning of antsibull-docs or Sphinx fails it: a link or an anchor that leads nowhere, a guide that docs/README.md
does not list.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

CHECKOUT = Path(__file__).resolve().parent.parent
DOCS = CHECKOUT / "docs"
SITE = CHECKOUT / "build" / "docsite"
CHECKED = CHECKOUT / "build" / "test" / "docsite"
COLLECTION = "restante.carbonio"
REPOSITORY = f"https://github.com/restante/{COLLECTION}/blob/main"
OUTSIDE = re.compile(r"\]\(((?:\.\./)+[^)#\s]+)")
"""A link in Markdown to a file above the page's own folder."""
LISTED = re.compile(r"^## (.+)|\]\(([\w/-]+)\.md\)", re.MULTILINE)
"""A heading of docs/README.md, or a guide that it lists."""


class Failed(Exception):
    """The site could not be built; what is wrong has been shown."""


def run(*command: str) -> str:
    """Run a program of this environment, show what it says, and return it.

    :raises Failed: it did not end well.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    found = {"PATH": path, "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / "build" / "collections")}
    done = subprocess.run(command, cwd=CHECKOUT, env={**os.environ, **found}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    print(done.stdout, end="", flush=True)
    if done.returncode:
        raise Failed
    return done.stdout


def write_pages(pages: Path) -> None:
    """Have antsibull-docs write the pages of the modules and roles into a new folder."""
    pages.mkdir(parents=True)
    pages.chmod(0o755)  # it wants one that nobody else can write to
    if "WARNING" in run("antsibull-docs", "collection", "--use-current", "--squash-hierarchy", "--dest-dir", str(pages),
                        COLLECTION):
        raise Failed


def copy_guides(guides: Path) -> None:
    """Copy docs/ into a new folder beside them, with links that fit there; its README.md becomes the list of guides."""
    shutil.copytree(DOCS, guides, ignore=shutil.ignore_patterns("docsite"))
    contents = guides / "README.md"
    with (guides.parent / "docsite" / "guides.rst").open("a", encoding="utf-8") as page:
        page.write(listed(contents.read_text(encoding="utf-8")))
    contents.unlink()
    for guide in guides.rglob("*.md"):
        place = PurePosixPath("docs", *guide.relative_to(guides).parent.parts)
        guide.write_text(linked(guide.read_text(encoding="utf-8"), place), encoding="utf-8")


def listed(contents: str) -> str:
    """Return what docs/README.md lists, as Sphinx lists pages."""
    return "".join(
        f"\n.. toctree::\n   :maxdepth: 1\n   :caption: {heading}\n\n" if heading else f"   /guides/{guide}\n"
        for heading, guide in LISTED.findall(contents)
    )


def linked(text: str, place: PurePosixPath) -> str:
    """Return a guide whose links to what is not in docs/ lead to a page of the site, or else to the repository.

    :param place: the folder of the guide in the checkout.
    """
    def target(link: re.Match[str]) -> str:
        path = os.path.normpath(place / link[1])
        if path == "docs" or path.startswith("docs/"):
            return link[0]
        role = re.fullmatch(r"roles/(\w+)", path)
        return f"](/{role[1]}_role.rst" if role else f"]({REPOSITORY}/{path}"

    return OUTSIDE.sub(target, text)


def build(site: Path, builder: str) -> None:
    """Build the site in an empty folder. :param builder: of Sphinx."""
    shutil.rmtree(site, ignore_errors=True)
    write_pages(site / "rst")
    copy_guides(site / "rst" / "guides")
    run("sphinx-build", "--quiet", "--fail-on-warning", "--keep-going", "--builder", builder, "--conf-dir",
        str(DOCS / "docsite"), "--doctree-dir", str(site / "doctrees"), str(site / "rst"), str(site / "html"))


def main() -> int:
    """Build the site; return the exit status."""
    parser = argparse.ArgumentParser(description="Build the site of the collection.")
    parser.add_argument("--check", action="store_true", help="write no page")
    check = parser.parse_args().check
    try:
        build(CHECKED if check else SITE, "dummy" if check else "html")
    except Failed:
        return 1
    if not check:
        print(f"the site is built; open it in a browser:\n{SITE / 'html' / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
