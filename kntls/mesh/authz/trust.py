"""Trust-domain aliases: one identity in a policy stands for the same account in every alias.

Source: istio `pilot/pkg/security/trustdomain/bundle.go`, `util.go`.
"""

from __future__ import annotations

_PARTS = 5
LOCAL = "cluster.local"
"""Always means the local trust domain and its aliases, whatever they are called."""


def _prefix(text: str, pattern: str) -> bool:
    return pattern.endswith("*") and text.startswith(pattern[:-1])


def _suffix(text: str, pattern: str) -> bool:
    return pattern.startswith("*") and text.endswith(pattern[1:])


def _known(domain: str, domains: tuple[str, ...]) -> bool:
    return any(
        domain == other
        or other == "*"
        or _prefix(domain, other)
        or _prefix(other, domain)
        or _suffix(domain, other)
        or _suffix(other, domain)
        for other in domains
    )


def expand_principals(values: tuple[str, ...], domains: tuple[str, ...]) -> tuple[str, ...]:
    """The principals, each with a trust domain that is ours repeated for the domain and every alias.

    A principal that is no `TD/ns/NS/sa/SA`, has `*` as its trust domain, or a foreign one, stays as it is.
    """
    return tuple(new for value in values for new in _expanded(value, domains))


def _expanded(principal: str, domains: tuple[str, ...]) -> tuple[str, ...]:
    domain, *rest = principal.split("/")
    if len(rest) != _PARTS - 1 or domain == "*" or not (domain == LOCAL or _known(domain, domains)):
        return (principal,)
    found = (principal if _suffix(other, domain) else "/".join((other, *rest)) for other in domains)
    return tuple(dict.fromkeys(found))


def expand_domains(values: tuple[str, ...], domains: tuple[str, ...]) -> tuple[str, ...]:
    """Trust-domain values, each one of ours replaced by all of ours, without repetition."""
    return tuple(dict.fromkeys(new for value in values for new in (domains if value in domains else (value,))))
