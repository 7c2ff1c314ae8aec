"""JSON Web Tokens: the RequestAuthentication that checks them and the policies that ask for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from kntls.errors import Refused, UsageError
from kntls.mesh.generate.model import Generated, Manifest, Target, check_port, selector
from kntls.model.kinds import AUTHORIZATION_POLICY, REQUEST_AUTHENTICATION


@dataclass(frozen=True)
class Jwt:
    """Whose tokens count, for which workloads, and what they must say."""

    name: str
    namespace: str
    issuer: str
    jwks_uri: str = ""
    jwks: str = ""
    """An inline key set (JSON), instead of a URI."""
    audiences: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    claims: tuple[str, ...] = ()
    """`name=value`; values of one claim are alternatives, different claims must all hold."""
    ports: tuple[str, ...] = ()
    """HTTP ports the policy is for; needed where the workload has TCP ports too."""


def _keys(wanted: Jwt) -> dict[str, str]:
    if bool(wanted.jwks_uri) == bool(wanted.jwks):
        raise UsageError("exactly one of --jwks-uri and --jwks is needed")
    if wanted.jwks:
        return {"jwks": _key_set(wanted.jwks)}
    try:
        parts = urlsplit(wanted.jwks_uri)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{wanted.jwks_uri!r} is no http or https URL")
    return {"jwksUri": wanted.jwks_uri}


def _key_set(text: str) -> str:
    try:
        keys = json.loads(text)["keys"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError("the inline key set is no JWKS", fix='give JSON of the form {"keys": […]}') from error
    if any({"d", "k"} & set(key) for key in keys):
        raise UsageError("the inline key set holds private or symmetric keys", fix="give public keys only")
    return text


def _request_authentication(wanted: Jwt, target: Target) -> Manifest:
    rule: dict[str, Any] = {"issuer": wanted.issuer, **_keys(wanted)}
    if wanted.audiences:
        rule["audiences"] = list(wanted.audiences)
    spec = {**selector(wanted.labels), "jwtRules": [rule]}
    return target.manifest(REQUEST_AUTHENTICATION, wanted.name, wanted.namespace, spec=spec)


def _claims(claims: tuple[str, ...]) -> list[dict[str, Any]]:
    values: dict[str, list[str]] = {}
    for claim in claims:
        name, equals, value = claim.partition("=")
        if not (name and equals and value):
            raise UsageError(f"{claim!r} is no claim", fix="write NAME=VALUE")
        values.setdefault(name, []).append(value)
    return [{"key": f"request.auth.claims{_brackets(name)}", "values": each} for name, each in values.items()]


def _brackets(name: str) -> str:
    """`[a][b]` for the claim b within a, which is written `a[b]`."""
    outer, bracket, inner = name.partition("[")
    if bracket and not (outer and inner.endswith("]")):
        raise UsageError(f"{name!r} is no claim's name", fix="write a nested one like OUTER[INNER]")
    return f"[{outer}]{bracket}{inner}"


def _ports(wanted: Jwt) -> dict[str, Any]:
    return {"to": [{"operation": {"ports": [check_port(port) for port in wanted.ports]}}]} if wanted.ports else {}


def _required(wanted: Jwt, target: Target) -> Manifest:
    rule = {"from": [{"source": {"notRequestPrincipals": ["*"]}}], **_ports(wanted)}
    spec = {**selector(wanted.labels), "action": "DENY", "rules": [rule]}
    return target.manifest(AUTHORIZATION_POLICY, f"{wanted.name}-required", wanted.namespace, spec=spec)


def _claimed(wanted: Jwt, target: Target) -> Manifest:
    source = {"requestPrincipals": [f"{wanted.issuer}/*"]}
    rule = {"from": [{"source": source}], **_ports(wanted), "when": _claims(wanted.claims)}
    spec = {**selector(wanted.labels), "action": "ALLOW", "rules": [rule]}
    return target.manifest(AUTHORIZATION_POLICY, f"{wanted.name}-claims", wanted.namespace, spec=spec)


def jwt(wanted: Jwt, target: Target) -> Generated:
    """A RequestAuthentication, a DENY of requests without a token, and an ALLOW by claims where some are given.

    A RequestAuthentication alone refuses only *invalid* tokens (401); a request without one passes it. Raises `Refused`
    for a policy that would ask every request of the mesh for a token.
    """
    if not wanted.issuer:
        raise UsageError("a token's issuer is needed", fix="add --issuer URL")
    if wanted.namespace == target.root_namespace and not wanted.labels:
        raise Refused(
            f"without a token nothing in the mesh would answer: {target.root_namespace} is the root namespace",
            fix="add --selector, for example istio=ingressgateway",
        )
    objects = [_request_authentication(wanted, target), _required(wanted, target)]
    notes = ["an invalid token answers 401, no token 403"]
    if wanted.claims:
        objects.append(_claimed(wanted, target))
        notes.append("the ALLOW policy closes the workload to every request that lacks the claims")
    if not wanted.ports:
        notes.append("without --port the DENY rule closes every TCP port of the selected workloads")
    return Generated(tuple(objects), tuple(notes))
