"""Bundle values, well made and not, and what each consumer makes of them."""

from __future__ import annotations

from kntls.pki.create import new_ca
from tests.pki.forge import AT, YEAR

FIRST, SECOND = (new_ca(name, lifetime=YEAR, at=AT) for name in ("ca1", "ca2"))
A, B = FIRST.certificate, SECOND.certificate
BROKEN = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"
UNDECODABLE = "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n"
HEADERS = A.pem().replace("-----\n", "-----\nOwner: me\n\n", 1)

# value, how many certificates net-kourier trusts, how many the activator trusts, whether each has something to say
TABLE = {
    "one certificate": (A.pem(), 1, 1, "", ""),
    "no trailing newline": (A.pem().rstrip("\n"), 1, 1, "", ""),
    "two trailing newlines": (A.pem() + "\n", 0, 1, "blank space", ""),
    "trailing spaces": (A.pem() + "  ", 0, 1, "blank space", ""),
    "comment before": ("# ours\n" + A.pem(), 1, 1, "", ""),
    "comment between": (A.pem() + "# theirs\n" + B.pem(), 2, 2, "", ""),
    "blank line between": (A.pem() + "\n" + B.pem(), 2, 2, "", ""),
    "leading blank line": ("\n" + A.pem(), 1, 1, "", ""),
    "carriage returns": (A.pem().replace("\n", "\r\n"), 1, 1, "", ""),
    "comment after": (A.pem() + "# end\n", 0, 1, "text after", ""),
    "a broken certificate": (A.pem() + BROKEN + B.pem(), 0, 2, "certificate 2 is broken", "CERTIFICATE"),
    "an undecodable block last": (A.pem() + UNDECODABLE, 0, 1, "text after", ""),
    "an undecodable block first": (UNDECODABLE + A.pem(), 1, 1, "", ""),
    "a private key": (A.pem() + FIRST.key_pem(), 0, 1, "PRIVATE KEY", "PRIVATE KEY"),
    "only garbage": ("hello", 0, 0, "no PEM block", "no certificate"),
    "glued together": (A.pem().rstrip("\n") + B.pem(), 0, 0, "no PEM block", "no certificate"),
    "nothing": ("", 0, 0, "", "no certificate"),
    "headers": (HEADERS, 1, 0, "", "no certificate"),
    "not at the start of a line": (" " + A.pem(), 0, 0, "no PEM block", "no certificate"),
    "blanks at line ends": (A.pem().replace("\n", " \t\n"), 1, 1, "", ""),
    "begun twice": ("-----BEGIN CERTIFICATE-----\nMIIB\n" + A.pem(), 1, 1, "", ""),
    "an empty block": ("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", 0, 0, "broken", "no certificate"),
    "another label": (A.pem().replace("CERTIFICATE", "TRUSTED CERTIFICATE"), 0, 0, "TRUSTED", "no certificate"),
    "missing padding": ("-----BEGIN X-----\nAAA\n-----END X-----\n" + A.pem(), 1, 1, "", ""),
    "too much padding": ("-----BEGIN X-----\nAAA==\n-----END X-----\n" + A.pem(), 1, 1, "", ""),
    "padding that nothing needs": ("-----BEGIN X-----\nAAAA=\n-----END X-----\n" + A.pem(), 1, 1, "", ""),
    "padding amid": ("-----BEGIN X-----\nAA==AAAA\n-----END X-----\n" + A.pem(), 1, 1, "", ""),
    "characters amid": ("-----BEGIN X-----\nAAAA!AAA\n-----END X-----\n" + A.pem(), 1, 1, "", ""),
    "headers only": ("-----BEGIN X-----\na: b\n-----END X-----\n" + A.pem(), 1, 1, "", ""),
    "labels that differ": (A.pem().replace("END CERTIFICATE", "END CERT"), 0, 0, "no PEM", "no certificate"),
}

BUNDLES = {name: row[0] for name, row in TABLE.items()}
