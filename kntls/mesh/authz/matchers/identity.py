"""Who the peer is, by its certificate: principals, namespaces, service accounts, trust domains.

Source: istio `pilot/pkg/security/authz/model/generator.go`; envoy rbac `matchers.cc` (AuthenticatedMatcher: without TLS
nothing matches, so a negated identity does match plaintext).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kntls.mesh.authz.matchers.family import Family, Site
from kntls.mesh.authz.model import Request
from kntls.mesh.authz.nodes import Side
from kntls.mesh.authz.strings import StringMatch, quote_meta, regex, string_match

_MOST_ACCOUNTS, _LONGEST_ACCOUNT = 16, 320


@dataclass(frozen=True)
class Authenticated:
    """The URI SAN of the peer's certificate."""

    name: StringMatch

    def render(self, side: Side) -> dict[str, Any]:
        """`authenticated.principalName`."""
        return {"authenticated": {"principalName": self.name.render()}}

    def matches(self, request: Request) -> bool:
        """Whether there is a certificate with such an identity."""
        return request.peer is not None and self.name.matches(request.peer)


def _principal(site: Site, value: str) -> Authenticated:
    return Authenticated(string_match(value, spiffe=True))


def _namespace(site: Site, value: str) -> Authenticated:
    """Any trust domain; `*` may stand anywhere."""
    return Authenticated(regex(f".*/ns/{'.*'.join(quote_meta(part) for part in value.split('*'))}/.*"))


def _service_account(site: Site, value: str) -> Authenticated:
    """`NAME` is an account of the policy's own namespace, `NAMESPACE/NAME` of another."""
    namespace, slash, account = value.partition("/")
    if not slash:
        namespace, account = site.namespace, value
    return Authenticated(regex(f"spiffe://.+/ns/{quote_meta(namespace)}/(.+/|)sa/{quote_meta(account)}(/.+)?"))


def _trust_domain(site: Site, value: str) -> Authenticated:
    if value == "*":
        return Authenticated(StringMatch("prefix", "spiffe://"))
    if "*" not in value:
        return Authenticated(StringMatch("prefix", f"spiffe://{value}/"))
    head, _, tail = value.partition("*")
    return Authenticated(regex(f"spiffe://{quote_meta(head)}[^/]*{quote_meta(tail)}/.*"))


def _check_accounts(label: str, values: tuple[str, ...]) -> Iterator[str]:
    """As istio `pkg/config/security/security.go` CheckServiceAccount."""
    if len(values) > _MOST_ACCOUNTS:
        yield f"may not have more than {_MOST_ACCOUNTS} values"
    for value in values:
        if "*" in value:
            yield f"wildcard not allowed: {value!r}"
        elif value.count("/") > 1 or value.startswith("/") or value.endswith("/"):
            yield f"{value!r} is neither 'serviceAccount' nor 'namespace/serviceAccount'"
        elif len(value) > _LONGEST_ACCOUNT:
            yield f"value exceeds {_LONGEST_ACCOUNT} characters"


def check_wildcard(label: str, values: tuple[str, ...]) -> Iterator[str]:
    """At most one `*`, at the start or the end (istio `security.go` CheckWildcardValues)."""
    for value in values:
        if value.count("*") > 1:
            yield f"at most one wildcard is allowed: {value!r}"
        elif "*" in value and not (value.startswith("*") or value.endswith("*")):
            yield f"a wildcard is only allowed at the start or the end: {value!r}"


def _check_trust_domain(label: str, values: tuple[str, ...]) -> Iterator[str]:
    yield from check_wildcard(label, values)
    if not label.startswith("when"):
        yield from (f"a trust domain must not contain '/': {value!r}" for value in values if "/" in value)


PRINCIPAL = Family("source.principal", Side.PRINCIPAL, _principal, field="principals", needs_mtls=True, custom=False)
NAMESPACE = Family("source.namespace", Side.PRINCIPAL, _namespace, field="namespaces", needs_mtls=True, custom=False)
SERVICE_ACCOUNT = Family(
    "source.serviceAccount",
    Side.PRINCIPAL,
    _service_account,
    field="serviceAccounts",
    needs_mtls=True,
    custom=False,
    check=_check_accounts,
)
TRUST_DOMAIN = Family(
    "source.trustDomain",
    Side.PRINCIPAL,
    _trust_domain,
    field="trustDomains",
    needs_mtls=True,
    custom=False,
    check=_check_trust_domain,
)
