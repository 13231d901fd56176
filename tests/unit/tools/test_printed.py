# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pages to print: the names of a site come into their blanks, and its secrets never."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import printed
from tools.site_values import Unusable, values_of

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGES = ["runbook-lost-node.md", "first-hour.md"]
SOURCE = """# A page

| what | here | variable |
| --- | --- | --- |
| The node | `NODE` | `node` |
| The bucket | `BUCKET` | `bucket` |

## Part

### 1. Look

    admin$ ping NODE

See [Not there](troubleshooting.md#part).
"""
MESSAGES = "# Messages\n\n> Not there … today.\n\nIt is away.\n\n> Not here.\n\nIt is there.\n"


def page(values: dict[str, str], source: str = SOURCE) -> str:
    return printed.render(source, MESSAGES, values)


def given(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "site.yml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_value_is_put_in_wherever_its_blank_is_and_is_only_text() -> None:
    shown = page({"NODE": "a<b>&c"})
    assert shown.count('<b class="filled">a&lt;b&gt;&amp;c</b>') == 2
    assert shown.count('<span class="blank">BUCKET</span>') == 1 and "NODE" not in shown


def test_a_step_is_one_part_with_a_box_to_tick() -> None:
    shown = page({})
    assert shown.count('<section class="step">') == shown.count('<span class="box"></span>') == 1


def test_a_reference_has_the_number_of_its_message() -> None:
    assert '<a href="#m1">Not there</a> <b>[M1]</b>' in page({})
    assert '<blockquote id="m2">\n<p><b>[M2]</b> Not here.' in page({})


@pytest.mark.parametrize("text", ["Not", "Elsewhere"])
def test_a_reference_that_means_no_one_message_is_refused(text: str) -> None:
    with pytest.raises(Unusable, match=f'"{text}" means'):
        page({}, SOURCE.replace("[Not there]", f"[{text}]"))


def test_another_page_is_named() -> None:
    assert "more (docs/drill.md)." in page({}, f"{SOURCE}\n[more](drill.md#report).\n")


def test_values_come_from_files_and_from_what_they_refer_to(tmp_path: Path) -> None:
    file = given(tmp_path, 'node: "{{ first }}.example.com"\nfirst: mail1\nbucket: "{{ elsewhere }}"\nother: x\n')
    assert values_of([file], {"NODE": "node", "BUCKET": "bucket"}) == {"NODE": "mail1.example.com"}


@pytest.mark.parametrize("text", [
    "bucket_secret: hunter2\nnode: at-hunter2\n",
    "imap: {master_password: hunter2}\nnode: hunter2\n",
    "node: https://ann:hunter2@s3.example.com\n",
])
def test_a_value_with_a_secret_in_it_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(Unusable, match="node has a secret in it") as refused:
        values_of([given(tmp_path, text)], {"NODE": "node"})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("text", [
    'vault_secret: hunter2\nnode: "{{ vault_secret }}"\n',
    "node: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n",
    "node: [hunter2]\n",
])
def test_what_is_secret_or_no_text_leaves_its_blank(tmp_path: Path, text: str) -> None:
    assert values_of([given(tmp_path, text)], {"NODE": "node"}) == {}


@pytest.mark.parametrize("text", ["$ANSIBLE_VAULT;1.1;AES256\n6162\n", "- node\n", "node: [\n"])
def test_a_file_without_variables_is_refused_in_a_sentence(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "page.html"
    arguments = [str(DOCS / PAGES[0]), "--vars", str(given(tmp_path, text)), "--output", str(output)]
    assert printed.main(arguments) == 1 and not output.exists()
    assert capsys.readouterr().err.startswith("tools/printed.py: ")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_ours_has_steps_in_their_order_and_blanks_that_it_uses(name: str) -> None:
    source = (DOCS / name).read_text(encoding="utf-8")
    shown = printed.render(source, (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), {})
    numbers = [int(part.partition(".")[0]) for part in source.split("\n### ")[1:]]
    assert numbers == list(range(1, len(numbers) + 1))
    for blank in printed.blanks_of(source):
        assert shown.count(f'<span class="blank">{blank}</span>') > 1, blank
