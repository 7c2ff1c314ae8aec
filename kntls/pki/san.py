"""Subject alternative names as sets: what a certificate is for, what is missing from it, and whether a host matches.

Matching follows Go's `Certificate.VerifyHostname` (go: crypto/x509/verify.go), because Knative's clients are Go, or
match one exact name.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

_HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


@dataclass(frozen=True, slots=True)
class SanSet:
    """The names of one certificate, or the names one should have. Falsy when empty; compared exactly."""

    dns: frozenset[str] = frozenset()
    ips: frozenset[str] = frozenset()
    """As text, in the shortest form (`::1`)."""
    uris: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()

    def missing(self, expected: SanSet) -> SanSet:
        """The names of `expected` that are not here."""
        return expected._without(self)

    def unexpected(self, expected: SanSet) -> SanSet:
        """The names here that are not in `expected`."""
        return self._without(expected)

    def _without(self, other: SanSet) -> SanSet:
        return SanSet(self.dns - other.dns, self.ips - other.ips, self.uris - other.uris, self.emails - other.emails)

    def names(self) -> tuple[str, ...]:
        """All names: DNS names, then addresses, URIs and e-mail addresses, each sorted."""
        return tuple(name for kind in (self.dns, self.ips, self.uris, self.emails) for name in sorted(kind))

    def matches(self, host: str) -> bool:
        """Whether a Go client that dials `host` (a DNS name, or an address, also in brackets) accepts these names.

        A wildcard stands for exactly one leftmost label; a name with characters no host name may have matches
        only itself; case does not matter.
        """
        bare = host[1:-1] if len(host) >= 3 and host.startswith("[") and host.endswith("]") else host
        if (address := _address(bare)) is not None:
            return any(_address(ip) == address for ip in self.ips)
        wanted = host.lower()
        if wanted in self.dns and wanted != ".":
            return True
        return any(_dns_matches(pattern.lower(), wanted) for pattern in self.dns)

    def __bool__(self) -> bool:
        return bool(self.dns or self.ips or self.uris or self.emails)

    def __str__(self) -> str:
        """`kn-routing, data-plane.knative.dev`, sorted; empty for no names."""
        return ", ".join(self.names())


def _address(text: str) -> str | None:
    if ":" not in text and not text[-1:].isdigit():
        return None  # every address has a colon or ends in a digit; most hosts do neither, and trying is slow
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def _dns_matches(pattern: str, host: str) -> bool:
    if not (_valid_host(host.removesuffix(".")) and _valid_host(pattern, wildcard=True)):
        return pattern == host and host not in ("", ".")
    wanted = host.removesuffix(".").split(".")
    labels = pattern.split(".")
    return labels[1:] == wanted[1:] and labels[0] in ("*", wanted[0])


def _valid_host(name: str, *, wildcard: bool = False) -> bool:
    if name == "*":
        return False
    labels = name.split(".")
    if wildcard and labels[0] == "*":
        labels = labels[1:]
    return all(label and not label.startswith("-") and _HOST_CHARACTERS.issuperset(label) for label in labels)
