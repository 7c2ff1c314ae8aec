"""Name constraints: whether the names of a certificate are allowed by the CAs above it, as Go decides.

Rules of go: crypto/x509/constraints.go (Go 1.26): DNS and URI constraints match a domain and everything under it,
a leading dot only what is under it, an empty one everything; every constraint of every CA above must be satisfied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from kntls.pki.certificate import Certificate

_Match = Callable[[Any, str], bool]


def violation(chain: Sequence[Certificate]) -> str:
    """The first name in the chain (leaf first) that a CA above it does not allow, as a sentence; empty if none."""
    for position, authority in enumerate(chain):
        if not authority.has_name_constraints:
            continue
        constraints = authority.extensions[ExtensionOID.NAME_CONSTRAINTS].value
        for below in chain[:position]:
            for problem in _violations(below, constraints):
                return f"{authority} does not allow it: {problem}"
    return ""


def limits(authority: Certificate, kind: type[x509.GeneralName]) -> bool:
    """Whether a CA limits names of that kind."""
    if not authority.has_name_constraints:
        return False
    constraints = authority.extensions[ExtensionOID.NAME_CONSTRAINTS].value
    return bool(_of(kind, constraints.permitted_subtrees) or _of(kind, constraints.excluded_subtrees))


def permits(authority: Certificate, name: str) -> bool:
    """Whether a CA's own constraints allow a leaf for that DNS name."""
    if not authority.has_name_constraints:
        return True
    constraints = authority.extensions[ExtensionOID.NAME_CONSTRAINTS].value
    permitted = _of(x509.DNSName, constraints.permitted_subtrees)
    excluded = _of(x509.DNSName, constraints.excluded_subtrees)
    within = not permitted or any(_dns_matches(constraint, name) for constraint in permitted)
    return within and not any(_dns_matches(constraint, name) for constraint in excluded)


def described(authority: Certificate) -> str:
    """A CA's constraints in words: `permits DNS .svc, excludes IP 10.0.0.0/8`; empty when it has none."""
    if not authority.has_name_constraints:
        return ""
    constraints = authority.extensions[ExtensionOID.NAME_CONSTRAINTS].value
    sides = (("permits", constraints.permitted_subtrees), ("excludes", constraints.excluded_subtrees))
    return ", ".join(f"{verb} {' '.join(_shown(name) for name in names)}" for verb, names in sides if names)


def _shown(name: x509.GeneralName) -> str:
    labels = {x509.DNSName: "DNS", x509.IPAddress: "IP", x509.UniformResourceIdentifier: "URI", x509.RFC822Name: "mail"}
    return f"{labels.get(type(name), type(name).__name__)} {name.value or '(any)'}"


def _violations(below: Certificate, constraints: x509.NameConstraints) -> Iterator[str]:
    sans = below.sans
    for kind, label, names, match in (
        (x509.IPAddress, "address", sans.ips, _ip_matches),
        (x509.DNSName, "DNS name", sans.dns, _dns_matches),
        (x509.UniformResourceIdentifier, "URI", sans.uris, _uri_matches),
        (x509.RFC822Name, "e-mail address", sans.emails, _email_matches),
    ):
        permitted = _of(kind, constraints.permitted_subtrees)
        excluded = _of(kind, constraints.excluded_subtrees)
        for name in sorted(names):
            if problem := _unfit(kind, name):
                yield f"{label} {name} {problem}"
            elif permitted and not any(match(constraint, name) for constraint in permitted):
                yield f"{label} {name} is not among those it permits"
            elif any(_excludes(kind, match, constraint, name) for constraint in excluded):
                yield f"{label} {name} is among those it excludes"


def _of(kind: type[x509.GeneralName], subtrees: Iterable[x509.GeneralName] | None) -> list[Any]:
    return [name.value for name in subtrees or () if isinstance(name, kind)]


def _unfit(kind: type[x509.GeneralName], name: str) -> str:
    """Names that cannot be judged are refused as soon as any constraint applies."""
    if kind is x509.DNSName and not _is_domain(name):
        return "is no domain name"
    if kind is x509.UniformResourceIdentifier and _uri_host(name) is None:
        return "has no host name to compare"
    if kind is x509.RFC822Name and not _is_domain(name.rpartition("@")[2]):
        return "is no mailbox"
    return ""


def _is_domain(name: str) -> bool:
    return not name or all(label and all("!" <= c <= "~" for c in label) for label in name.split("."))


def _ip_matches(network: Any, address: str) -> bool:
    return ip_address(address) in network


def _dns_matches(constraint: str, name: str) -> bool:
    constraint, name = constraint.lower(), name.lower()
    if constraint.startswith("."):
        return name.endswith(constraint)
    return not constraint or name == constraint or name.endswith(f".{constraint}")


def _excludes(kind: type[x509.GeneralName], match: _Match, constraint: Any, name: str) -> bool:
    if match(constraint, name):
        return True
    # A wildcard could stand for an excluded name right under its domain.
    wildcard = kind is x509.DNSName and name.startswith("*.")
    return wildcard and constraint.lower().partition(".")[2] == name.lower()[2:] != ""


def _uri_matches(constraint: str, uri: str) -> bool:
    return _dns_matches(constraint, _uri_host(uri) or "")


def _uri_host(uri: str) -> str | None:
    try:
        host = urlsplit(uri).hostname
    except ValueError:
        return None
    if not host:
        return None
    try:
        ip_address(host)
    except ValueError:
        return host if _is_domain(host) else None
    return None


def _email_matches(constraint: str, address: str) -> bool:
    local, _, domain = address.rpartition("@")
    if "@" not in constraint:
        return _dns_matches(constraint, domain)
    constraint_local, _, constraint_domain = constraint.rpartition("@")
    return (local, domain.lower()) == (constraint_local, constraint_domain.lower())
