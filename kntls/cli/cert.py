"""`kntls cert`: leaf certificates against what they should be, and against everybody who meets them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from kntls.cli.options import LISTS, READS, Common, family, with_common
from kntls.cli.session import look_of, observe, output_of
from kntls.errors import ExitCode, NotFound

if TYPE_CHECKING:
    from kntls.checks.verification import Verification
    from kntls.model.observation import Observation

app = family("Certificates: which there are, what is wrong with them, who accepts them.")

Which = Annotated[list[str] | None, typer.Argument(help="certificates to look at; all without", metavar="NS/NAME...")]


def _judged(common: Common, names: list[str] | None) -> tuple[Observation, tuple[Verification, ...]]:
    """The observation and every wanted Certificate, judged. Raises `NotFound` for a name that is not there."""
    from kntls.checks.essence import SEEN, essence
    from kntls.checks.facts import Facts
    from kntls.checks.verification import verifications
    from kntls.model.kinds import CERTIFICATE, CLUSTER_ISSUER, KCERT, SECRET

    seen = observe(common, (CERTIFICATE, KCERT, CLUSTER_ISSUER, SECRET), kinds=SEEN, reduce=essence)
    found = verifications(Facts(seen), common.namespace or "")
    for name in names or ():
        if not any(_means(name, entry) for entry in found):
            raise NotFound("no such Certificate", where=name, fix="`kntls cert list` lists them")
    return seen, tuple(entry for entry in found if not names or any(_means(name, entry) for name in names))


def _means(name: str, entry: Verification) -> bool:
    return name in (entry.ref.name, f"{entry.ref.namespace}/{entry.ref.name}")


def _not_looked_at(seen: Observation) -> None:
    """What is missing, on standard error; handshakes are not asked for here, and gaps in files are told already."""
    missing = [f"{entry.what} ({entry.reason})" for entry in seen.unread] if seen.live else []
    if missing:
        sys.stderr.write(f"Not looked at: {'; '.join(missing)}\n")


def list_(common: Common) -> None:
    """List every Certificate, those that expire first at the top."""
    from kntls.report.certificates import body, listing
    from kntls.report.document import emit

    output = output_of(common)
    seen, found = _judged(common, None)
    if output in ("json", "yaml"):
        emit("CertificateReport", body(found, seen.source, seen.unread), output)
        return
    if output == "name":
        sys.stdout.write("".join(f"{entry.ref.namespace}/{entry.ref.name}\n" for entry in found))
        return
    if found:
        sys.stdout.write(listing(found, seen.taken_at, look_of(common)))
    else:
        sys.stderr.write(f"no Certificates in {seen.source}\n")
    _not_looked_at(seen)


def verify(common: Common, names: Which = None) -> int:
    """Verify names, key, chain and issuer of every leaf, and whether each consumer accepts it.

    Exits 1 when one does not hold; `-o name` names those.
    """
    from kntls.report.certificates import blind, body, details, summary
    from kntls.report.document import emit
    from kntls.report.text import Paint, colourful, width

    output = output_of(common)
    seen, found = _judged(common, names)
    if output in ("json", "yaml"):
        emit("CertificateReport", body(found, seen.source, seen.unread), output)
    elif output == "name":
        sys.stdout.write("".join(f"{entry.ref.namespace}/{entry.ref.name}\n" for entry in found if not entry.ok))
    else:
        paint = Paint(colourful(sys.stdout, common.no_color))
        sys.stdout.write(details(found, paint, min(width(), 120)))
        sys.stdout.write(f"{summary(found)}\n")
        _not_looked_at(seen)
    if blind(found):
        return int(ExitCode.UNAVAILABLE)
    return int(ExitCode.OK if all(entry.ok for entry in found) else ExitCode.FINDINGS)


app.command("list")(with_common(list_, READS, LISTS))
app.command("verify")(with_common(verify, READS, LISTS))
