"""Addresses and ports: the connection's, the original client's, the destination's.

Source: istio `generator.go` (srcIP, remoteIP, destIP, destPort), `pilot/pkg/networking/util/util.go` AddrStrToPrefix.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kntls.mesh.authz.matchers.family import Build, Family, Site, Unusable
from kntls.mesh.authz.model import Request
from kntls.mesh.authz.nodes import Side

_HIGHEST_PORT = 65535
_LENGTH = re.compile("0|[1-9][0-9]*")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Range:
    """An address range that one of the request's addresses must lie in."""

    name: str
    """Envoy's field: `directRemoteIp`, `remoteIp`, `destinationIp`."""
    address: str
    """As written, not masked."""
    length: int
    _read: Callable[[Request], str]
    _network: Network = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_network", ipaddress.ip_network(f"{self.address}/{self.length}", strict=False))

    def render(self, side: Side) -> dict[str, Any]:
        """A CidrRange."""
        return {self.name: {"addressPrefix": self.address, "prefixLen": self.length}}

    def matches(self, request: Request) -> bool:
        """Whether the address is in the range; an unknown address is in none."""
        text = self._read(request)
        return bool(text) and ipaddress.ip_address(text) in self._network


def parse_range(value: str) -> tuple[str, int]:
    """An address or CIDR as (address, prefix length), read as Go's netip does; raises `Unusable` for anything else.

    The zone of a single IPv6 address is left out; in a range there must be none.
    """
    text, slash, length = value.partition("/")
    bare, zone, _ = text.partition("%")
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise Unusable(f"{'bad CIDR range' if slash else 'bad IP address'} ({value})") from error
    if not slash:
        return _shown(ipaddress.ip_address(bare)), address.max_prefixlen
    if zone or not _LENGTH.fullmatch(length) or int(length) > address.max_prefixlen:
        raise Unusable(f"bad CIDR range ({value})")
    return _shown(address), int(length)


def _shown(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return f"::ffff:{mapped}" if mapped else str(address)


def _range(name: str, read: Callable[[Request], str]) -> Build:
    def build(site: Site, value: str) -> Range:
        return Range(name, *parse_range(value), read)

    return build


@dataclass(frozen=True)
class Port:
    """The port the destination's proxy received the connection on."""

    number: int

    def render(self, side: Side) -> dict[str, Any]:
        """`destinationPort`."""
        return {"destinationPort": self.number}

    def matches(self, request: Request) -> bool:
        """Whether it is that port."""
        return request.port == self.number


def _port(site: Site, value: str) -> Port:
    if not (value.isascii() and value.isdigit()) or int(value) > _HIGHEST_PORT:
        raise Unusable(f"bad port ({value})")
    return Port(int(value))


def _checked_by(build: Build) -> Callable[[str, tuple[str, ...]], Iterator[str]]:
    """What cannot be built is what the webhook rejects."""

    def check(label: str, values: tuple[str, ...]) -> Iterator[str]:
        for value in values:
            try:
                build(Site(label, ""), value)
            except Unusable as error:
                yield str(error)

    return check


def _family(attribute: str, side: Side, build: Build, name: str = "") -> Family:
    return Family(attribute, side, build, field=name, check=_checked_by(build))


SOURCE_IP = _family("source.ip", Side.PRINCIPAL, _range("directRemoteIp", lambda r: r.source_ip), "ipBlocks")
REMOTE_IP = _family("remote.ip", Side.PRINCIPAL, _range("remoteIp", lambda r: r.remote_ip), "remoteIpBlocks")
DESTINATION_IP = _family("destination.ip", Side.PERMISSION, _range("destinationIp", lambda r: r.destination_ip))
DESTINATION_PORT = _family("destination.port", Side.PERMISSION, _port, "ports")
