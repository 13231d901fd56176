# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The seal of a report: whatever is done to it shows, to us and to those who have not even our program."""

from __future__ import annotations

import hashlib
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.evidence import report, seal
from ansible_collections.restante.carbonio.plugins.module_utils.evidence.seal import MANIFEST, SIGNATURE, Signer
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput, NotFound, Refused
from drill_records import broken, told

FORMS = {report.PAGE, report.JSON, report.JUNIT, report.METRICS}


class Sealed:
    """A report, and the key it was signed with."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "report"
        self.key = root / "keys" / "signing.key"
        signer = Signer(str(self.key))
        report.write(told(broken(), signing_key=signer.fingerprint), str(self.path), signer)
        self.public = (root / "keys" / "signing.key.pub").read_bytes()

    def verdict(self, public: bytes | None = None) -> seal.Verdict:
        return seal.verify(str(self.path), self.public if public is None else public)


@pytest.fixture
def sealed(tmp_path: Path) -> Sealed:
    return Sealed(tmp_path)


def test_a_report_that_nobody_has_touched_is_genuine_and_private(sealed: Sealed) -> None:
    assert sealed.verdict() == (True, True, [], [], [], "")
    assert {one.name for one in sealed.path.iterdir()} == {*FORMS, MANIFEST, SIGNATURE}
    for one in (*sealed.path.iterdir(), sealed.key):
        assert stat.S_IMODE(one.stat().st_mode) == 0o600, one
    assert stat.S_IMODE(sealed.path.stat().st_mode) == 0o700
    assert Signer(str(sealed.key)).public == sealed.public, "the key is made once"


@pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl here")
def test_openssl_and_sha256sum_say_the_same_as_the_page_tells_to_ask_them(sealed: Sealed) -> None:
    (sealed.path / "kept.pem").write_bytes(sealed.public)
    page = (sealed.path / report.PAGE).read_text("utf-8")
    commands = page.split("<pre>")[1].split("</pre>")[0].splitlines()
    assert [line.split()[0] for line in commands] == ["sha256sum", "openssl"]
    for altered, status in ((False, 0), (True, 1)):
        if altered:
            with (sealed.path / MANIFEST).open("ab") as file:
                file.write(b"0" * 64 + b"  report.html\n")
        for line in commands:
            done = subprocess.run(line.split(), cwd=sealed.path, capture_output=True, text=True, check=False)
            assert bool(done.returncode) is bool(status), done.stdout + done.stderr
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", "kept.pem", "-outform", "DER"], cwd=sealed.path, capture_output=True,
        check=True,
    ).stdout
    fingerprint = seal.fingerprint(sealed.public)
    assert hashlib.sha256(der).hexdigest() == fingerprint and fingerprint in page


def _alter(path: Path) -> None:
    text = (path / report.JSON).read_text("utf-8")
    (path / report.JSON).write_text(text.replace('"passed": false', '"passed": true '), "utf-8")


def _alter_with_manifest(path: Path) -> None:
    _alter(path)
    (path / MANIFEST).write_bytes(seal.manifest({name: (path / name).read_bytes() for name in FORMS}))


def _sign_again(path: Path) -> None:
    _alter_with_manifest(path)
    other = Signer(str(path.parent / "other.key"))
    (path / SIGNATURE).write_bytes(other.sign((path / MANIFEST).read_bytes()))


@pytest.mark.parametrize(("alter", "problem"), [
    (_alter, "Altered since: report.json."),
    (_alter_with_manifest, "The signature is not one of this key"),
    (_sign_again, "The signature is not one of this key"),
    (lambda path: (path / report.PAGE).unlink(), "Gone: report.html."),
    (lambda path: (path / SIGNATURE).unlink(), "not signed"),
    (lambda path: (path / SIGNATURE).write_bytes(b""), "The signature is not one of this key"),
    (lambda path: (path / MANIFEST).write_bytes(b""), "The signature is not one of this key"),
])
def test_whatever_is_done_to_it_shows(sealed: Sealed, alter: Callable[[Path], object], problem: str) -> None:
    alter(sealed.path)
    verdict = sealed.verdict()
    assert not verdict.genuine and problem in verdict.problem


def test_what_somebody_has_put_beside_it_is_named(sealed: Sealed) -> None:
    (sealed.path / "report2.html").write_text("better")
    assert sealed.verdict() == (True, True, [], [], ["report2.html"], "")


def test_without_a_key_nothing_is_genuine(sealed: Sealed) -> None:
    verdict = seal.verify(str(sealed.path), None)
    assert not verdict.genuine and "no public key" in verdict.problem


def test_where_nobody_can_sign_the_report_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report.write(told(unsigned_because=seal.WITHOUT_LIBRARY), str(tmp_path / "report"), None)
    page = (tmp_path / "report" / report.PAGE).read_text("utf-8")
    assert "not signed" in page and "python3-cryptography" in page and "openssl" not in page
    verdict = seal.verify(str(tmp_path / "report"), None)
    assert not verdict.signed and not verdict.genuine and verdict.altered == []


@pytest.mark.parametrize(("data", "mode", "error"), [
    (b"no key", 0o600, InvalidInput), (b"", 0o600, InvalidInput), (None, 0o644, Refused),
])
def test_a_key_that_cannot_be_used_gets_a_sentence(
    sealed: Sealed, data: bytes | None, mode: int, error: type[Exception]
) -> None:
    if data is not None:
        sealed.key.write_bytes(data)
    sealed.key.chmod(mode)
    with pytest.raises(error, match=r"signing\.key"):
        Signer(str(sealed.key))


@pytest.mark.parametrize("public", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_public_key_that_is_none_gets_a_sentence(sealed: Sealed, public: bytes) -> None:
    with pytest.raises(InvalidInput, match="public key"):
        sealed.verdict(public)


def test_a_directory_without_a_report_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no report"):
        seal.verify(str(tmp_path), None)
    (tmp_path / MANIFEST).write_bytes(b"../../etc/passwd\n")
    with pytest.raises(InvalidInput, match="no manifest"):
        seal.verify(str(tmp_path), None)
    (tmp_path / MANIFEST).write_bytes(b"0" * 64 + b"  ../../etc/passwd\n")
    with pytest.raises(InvalidInput, match="no manifest"):
        seal.verify(str(tmp_path), None)


def test_a_report_is_there_whole_or_not_at_all(sealed: Sealed, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be written"):
        report.write(told(), str(sealed.path), None)  # it is there, and is left as it was
    assert sealed.verdict().genuine
    with pytest.raises(Refused, match="cannot be written"):
        report.write(told(), str(sealed.key / "report"), None)


def test_metrics_take_the_place_of_those_before_and_can_be_read_by_others(tmp_path: Path) -> None:
    path = tmp_path / "restante.prom"
    for text in ("one 1\n", "two 2\n"):
        report.replace(str(path), text)
        assert path.read_text() == text and stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [one.name for one in tmp_path.iterdir()] == ["restante.prom"]
    with pytest.raises(Refused, match="cannot be written"):
        report.replace(str(tmp_path / "missing" / "x.prom"), "")
