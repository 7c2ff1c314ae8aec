"""Parsing and verifying 10,000 ECDSA leaves with their host names on one core: kntls, openssl, and Go where it is.

Chains are leaf, intermediate, root, all P-256. One leaf in ten is bad in one of three ways. kntls remembers that the
intermediate's signature was right and so verifies one signature a leaf where the others verify two; a second row is
without that memory. Verdicts are compared one by one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import Row, arguments, on_one_core, race, report
from kntls.pki import certificate, chain
from kntls.pki.certificate import Certificate
from kntls.pki.chain import Pool, verify
from kntls.pki.create import KeyPair, issue, new_ca

AT = datetime(2026, 6, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
LOOP = 200
"""So many leaves are enough to measure one openssl process each."""
KNTLS, PLAIN, GO = "kntls", "kntls, remembering nothing", "Go crypto/x509"
ONCE, EACH = "openssl verify, one process", "openssl verify in a loop"
NOTES = {
    KNTLS: "remembers the intermediate's signature",
    GO: "same verdicts",
    ONCE: "without host names",
    EACH: "same verdicts",
}


def host(number: int) -> str:
    """The name that leaf `number` is asked for."""
    return f"svc-{number}.example"


def leaves(authority: KeyPair, count: int) -> list[bytes]:
    """The leaves in DER; of every thirty one is expired, one is for another host, one by another CA of that name."""
    stranger = new_ca("intermediate", lifetime=YEAR, at=AT - YEAR / 2)
    made = []
    for number in range(count):
        signer = stranger if number % 30 == 20 else authority
        lifetime = timedelta(days=1) if number % 30 == 0 else YEAR
        names = [f"{'other-' if number % 30 == 10 else ''}{host(number)}", f"b{number}.test", f"c{number}.test"]
        made.append(issue(signer, dns=names, lifetime=lifetime, at=AT - YEAR / 2).certificate.der)
    return made


def by_kntls(ders: list[bytes], between: Pool, roots: Pool, *, remembering: bool) -> list[bool]:
    """Every verdict, from bytes; nothing is remembered from the round before."""
    certificate._parse.cache_clear()
    chain._remembered.cache_clear()
    verdicts = []
    for number, der in enumerate(ders):
        if not remembering:
            chain._remembered.cache_clear()
        leaf = Certificate.from_der(der)
        verdicts.append(verify(leaf, intermediates=between, roots=roots, at=AT, name=host(number)).ok)
    return verdicts


class Files:
    """The same certificates as files, for the others."""

    def __init__(self, folder: Path, ders: list[bytes], middle: Certificate, root: Certificate) -> None:
        self.folder = folder
        self.names = [f"{number}.pem" for number in range(len(ders))]
        for name, der in zip(self.names, ders, strict=True):
            (folder / name).write_text(Certificate.from_der(der).pem())
        (folder / "middle").write_text(middle.pem())
        (folder / "root").write_text(root.pem())

    def openssl(self, names: list[str], *options: str) -> subprocess.CompletedProcess[str]:
        """One `openssl verify` of these leaves."""
        fixed = ["openssl", "verify", "-attime", str(int(AT.timestamp())), "-CAfile", "root", "-untrusted", "middle"]
        return subprocess.run([*fixed, *options, *names], cwd=self.folder, capture_output=True, text=True, check=False)

    def openssl_loop(self) -> list[bool]:
        """One process for each of the first leaves, with its host name."""
        found = enumerate(self.names[:LOOP])
        return [self.openssl([name], "-verify_hostname", host(n)).returncode == 0 for n, name in found]

    def build_go(self) -> None:
        """Compile the Go program beside this file."""
        source = Path(__file__).with_name("verify.go")
        subprocess.run(["go", "build", "-o", self.folder / "verify-go", source], check=True)

    def go(self) -> tuple[float, list[bool]]:
        """Seconds and verdicts of the Go program."""
        program = [str(self.folder / "verify-go"), str(len(self.names)), str(int(AT.timestamp()))]
        run = subprocess.run(program, cwd=self.folder, capture_output=True, text=True, check=True)
        answer = json.loads(run.stdout)
        return answer["seconds"], [mark == "1" for mark in answer["verdicts"]]


def measure(files: Files, verdicts: list[bool], kntls: Callable[[bool], list[bool]], rounds: int) -> list[Row]:
    """A row for each way; stops where a verdict differs."""
    count = len(verdicts)
    assert kntls(False) == verdicts, "remembering changed a verdict"
    assert files.openssl_loop() == verdicts[:LOOP], "openssl disagrees"
    ways = {KNTLS: lambda: kntls(True) and None, PLAIN: lambda: kntls(False) and None}
    if shutil.which("go"):
        files.build_go()
        assert files.go()[1] == verdicts, "Go disagrees"
        ways[GO] = lambda: files.go()[0]
    best = race(ways, rounds) | race({ONCE: lambda: files.openssl(files.names) and None}, 1)
    best |= race({EACH: lambda: files.openssl_loop() and None}, 1)
    return [Row(name, best[name], LOOP if name == EACH else count, NOTES.get(name, "")) for name in best]


def main() -> None:
    """Make the leaves, verify them every way."""
    asked = arguments((__doc__ or "").partition("\n")[0], leaves=10_000, rounds=5)
    on_one_core()
    root = new_ca("root", lifetime=10 * YEAR, at=AT - YEAR)
    middle = issue(root, common_name="intermediate", is_ca=True, path_length=0, lifetime=5 * YEAR, at=AT - YEAR)
    ders = leaves(middle, asked.leaves)
    pools = Pool.of([middle.certificate]), Pool.of([root.certificate])
    with tempfile.TemporaryDirectory() as folder:
        files = Files(Path(folder), ders, middle.certificate, root.certificate)
        verdicts = by_kntls(ders, *pools, remembering=True)
        rows = measure(files, verdicts, lambda memory: by_kntls(ders, *pools, remembering=memory), asked.rounds)
    bad = verdicts.count(False)
    report(f"{len(ders)} ECDSA leaves parsed and verified, {bad} of them bad, on one core", rows, as_json=asked.json)


main()
