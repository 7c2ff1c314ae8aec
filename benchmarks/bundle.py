"""Reading a trust bundle of 140 CAs: kntls beside a loop of `openssl x509`, both telling the same of every CA."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import Row, arguments, on_one_core, race, report
from kntls.pki import bundle, certificate
from kntls.pki.create import new_ca

TOLD = ["-noout", "-subject", "-issuer", "-dates", "-serial", "-fingerprint", "-sha256", "-text"]


ASKED = (
    *(
        "subject",
        "issuer",
        "not_before",
        "not_after",
        "serial",
        "fingerprint",
        "public_key_hash",
        "ski",
        "aki",
        "is_ca",
    ),
    *("path_length", "key_usage", "extended_key_usage", "key_type", "signature_algorithm"),
)


def told_by_kntls(text: str) -> list[tuple[object, ...]]:
    """Both consumers' readings, and what a person asks of each CA; nothing is remembered from the round before."""
    certificate._parse.cache_clear()
    accepted = bundle.read_as_kourier(text).accepted
    assert accepted == bundle.read_as_activator(text).accepted
    return [tuple(getattr(ca, name) for name in ASKED) for ca in accepted]


def told_by_openssl(blocks: list[str]) -> list[str]:
    """One process for each certificate, as a shell loop does it."""
    return [
        subprocess.run(["openssl", "x509", *TOLD], input=block, capture_output=True, text=True, check=True).stdout
        for block in blocks
    ]


def main() -> None:
    """Make the bundle, read it both ways, compare the fingerprints."""
    asked = arguments(__doc__ or "", cas=140, rounds=3)
    on_one_core()
    cas = [new_ca(f"ca {number}", lifetime=timedelta(days=3650)).certificate for number in range(asked.cas)]
    text = bundle.write(cas)
    by_openssl = told_by_openssl([ca.pem() for ca in cas])
    assert all(f"{ca.fingerprint}" in told.replace(":", "").lower() for ca, told in zip(cas, by_openssl, strict=True))
    blocks = [ca.pem() for ca in cas]
    ways = {
        "kntls, one process": lambda: told_by_kntls(text) and None,
        "openssl x509 in a loop": lambda: told_by_openssl(blocks) and None,
    }
    rows = [Row(name, seconds, len(cas)) for name, seconds in race(ways, asked.rounds).items()]
    report(f"{len(cas)} CAs of a bundle, read and told", rows, as_json=asked.json)


main()
