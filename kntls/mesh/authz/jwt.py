"""What the JWT filter makes of a token: refused, ignored, or verified claims for the policies to look at.

Source: istio `pilot/pkg/security/authn/policy_applier.go` convertToEnvoyJwtConfig (a missing token is allowed, an
invalid one never); envoy `source/extensions/filters/http/jwt_authn` (a wrong audience is 403, all else 401).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from kntls.mesh.authz.matchers.metadata import JWT_FILTER, JWT_PAYLOAD
from kntls.mesh.authz.model import JwtRule, Request

Claims = Mapping[str, Any]
Token = Claims | str
"""A token's claims (its signature being good), or text that is no valid token."""

_TOKEN = re.compile(r"[A-Za-z0-9_.=-]+")
_SKEW = 60
"""Seconds by which clocks may differ (envoy `jwt_verify_lib`, kClockSkewInSecond)."""
_SPACE_DELIMITED = ("permission", "scope")


@dataclass(frozen=True)
class TokenVerdict:
    """What became of the token."""

    status: int
    """200, or the code of the refusal."""
    reason: str = ""
    metadata: Mapping[str, Any] | None = None
    """The dynamic metadata the filter leaves."""


def verify(rules: Sequence[JwtRule], token: Token | None, now: float | None = None) -> TokenVerdict:
    """Judge a token by the issuers that apply to the workload; `now` (seconds since 1970) judges its times."""
    if not rules or token is None or token == "":
        return TokenVerdict(200)
    if isinstance(token, str) or not _well_formed(token):
        return TokenVerdict(401, "the token is not a valid JWT")
    issuer = token.get("iss", "")
    mine = [rule for rule in rules if rule.issuer in ("", issuer)]
    if not mine:
        return TokenVerdict(401, f"the token's issuer {issuer!r} is not configured")
    if reason := _untimely(token, now):
        return TokenVerdict(401, reason)
    fitting = [rule for rule in mine if _audience_fits(rule, token)]
    if not fitting:
        return TokenVerdict(403, f"the token's audience {token.get('aud')!r} is not allowed")
    return TokenVerdict(200, metadata={JWT_FILTER: {JWT_PAYLOAD: _split(token, fitting[0])}})


def carried(rules: Sequence[JwtRule], request: Request) -> tuple[tuple[JwtRule, ...], Token | None]:
    """The token a request has in its headers, query or cookies, and the rules that look there.

    Source: envoy `source/extensions/filters/http/jwt_authn/extractor.cc`. A signature cannot be judged here.
    """
    found = [(rule, next(_texts(rule, request), "")) for rule in rules]
    looking = tuple(rule for rule, text in found if text)
    text = next((text for _, text in found if text), "")
    return looking, _claims(text) if text else None


def _texts(rule: JwtRule, request: Request) -> Iterator[str]:
    for name, prefix in rule.headers:
        before, there, rest = request.headers.get(name, "").partition(prefix or " ")
        if found := _TOKEN.search(rest if prefix and there else "" if prefix else before):
            yield found[0]
    query = dict(parse_qsl(request.path.partition("?")[2]))
    cookies = dict(each.strip().partition("=")[::2] for each in request.headers.get("cookie", "").split(";"))
    yield from (query[name] for name in rule.params if query.get(name))
    yield from (cookies[name] for name in rule.cookies if cookies.get(name))


def _claims(text: str) -> Token:
    """The claims of a token, or the text where it is none."""
    head, _, rest = text.partition(".")
    payload, dot, _ = rest.partition(".")
    try:
        found = [json.loads(_decoded(part)) for part in (head, payload)]
    except ValueError:
        return text
    return found[1] if dot and all(isinstance(each, dict) for each in found) else text


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _well_formed(token: Claims) -> bool:
    """Whether the registered claims have the types envoy's jwt_verify reads them with (`jwt.cc`)."""
    audiences = token.get("aud", [])
    texts = [token[name] for name in ("iss", "sub", "jti") if name in token]
    texts += audiences if isinstance(audiences, list) else [audiences]
    times = [token[name] for name in ("iat", "nbf", "exp") if name in token]
    return all(isinstance(text, str) for text in texts) and all(_is_time(time) for time in times)


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _untimely(token: Claims, now: float | None) -> str:
    """An expiry of 0 is none."""
    if now is None:
        return ""
    if token.get("exp") and token["exp"] + _SKEW < now:
        return "the token has expired"
    return "the token is not valid yet" if token.get("nbf", 0) - _SKEW > now else ""


def _audience_fits(rule: JwtRule, token: Claims) -> bool:
    audience = token.get("aud", [])
    audiences = [audience] if isinstance(audience, str) else list(audience)
    return not rule.audiences or any(_sanitized(item) in map(_sanitized, rule.audiences) for item in audiences)


def _sanitized(audience: str) -> str:
    """Without scheme and trailing slash, as envoy's jwt_verify compares them (`check_audience.cc`)."""
    for scheme in ("http://", "https://"):
        audience = audience.removeprefix(scheme)
    return audience.removesuffix("/")


def _split(token: Claims, rule: JwtRule) -> Claims:
    """The claims with space-delimited ones as lists."""
    names = {*_SPACE_DELIMITED, *rule.space_delimited}
    return {
        key: [part for part in value.split(" ") if part] if key in names and isinstance(value, str) else value
        for key, value in token.items()
    }
