"""What differs between two plug-in CAs."""

from __future__ import annotations

from dataclasses import dataclass

from kntls.mesh.cacerts.material import CA_CERT, CA_KEY, CHAIN, FILES, ROOT, CaMaterial
from kntls.pki.certificate import Certificate


@dataclass(frozen=True)
class Difference:
    """One file that differs."""

    file: str
    only_first: tuple[str, ...] = ()
    only_second: tuple[str, ...] = ()


def compare(first: CaMaterial, second: CaMaterial) -> tuple[Difference, ...]:
    """Every file that differs, with what only one side has; keys are compared by their public halves."""
    pairs = ((CA_CERT, first.ca, second.ca), (ROOT, first.roots, second.roots), (CHAIN, first.chain, second.chain))
    found = [Difference(name, _only(one, other), _only(other, one)) for name, one, other in pairs if one != other]
    if first.public_key != second.public_key:
        found.append(Difference(CA_KEY, (_key(first),), (_key(second),)))
    return tuple(sorted(found, key=lambda each: FILES.index(each.file)))


def _only(these: tuple[Certificate, ...], others: tuple[Certificate, ...]) -> tuple[str, ...]:
    left = tuple(str(each) for each in these if each not in others)
    return left or (("the same certificates in another order",) if these and set(these) == set(others) else ())


def _key(ca: CaMaterial) -> str:
    return f"public key {ca.public_key[:16]}" if ca.public_key else "no readable key"
