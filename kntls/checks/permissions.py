"""What each command must be allowed to do, for the checks that ask the API server beforehand."""

from __future__ import annotations

from collections.abc import Iterator

from kntls.checks.facts import Facts
from kntls.knative.leases import of_operator
from kntls.model import kinds as k
from kntls.model.kinds import Kind
from kntls.observe.access import Access
from kntls.observe.live import EVERYTHING


def _each(verbs: str, kind: Kind, namespace: str = "", subresource: str = "") -> Iterator[Access]:
    return (Access(verb, kind, namespace, subresource) for verb in verbs.split())


def _read(_: Facts) -> Iterator[Access]:
    for kind in sorted(EVERYTHING):
        yield Access("list", kind)


def _switch(facts: Facts) -> Iterator[Access]:
    """What turning a surface on and turning it off have in common."""
    operated = facts.installation and facts.installation.operator
    yield from _each("patch", k.KNATIVE_SERVING if operated else k.CONFIG_MAP, facts.serving)
    yield from _each("patch", k.DEPLOYMENT, facts.serving)
    yield from _each("get create update delete", k.LEASE, facts.serving)


def _enable(facts: Facts) -> Iterator[Access]:
    yield from _switch(facts)
    yield from _each("create patch", k.KCERT)
    yield from _each("create patch", k.CLUSTER_ISSUER)
    yield from _each("create patch", k.CERTIFICATE, facts.resources)
    for space in facts.installation.trust_namespaces if facts.installation else ():
        yield from _each("create patch", k.CONFIG_MAP, space)


def _disable(facts: Facts) -> Iterator[Access]:
    yield from _switch(facts)
    yield from _each("delete", k.KCERT)
    yield from _each("delete", k.SECRET)


def _unbroken(facts: Facts) -> Iterator[Access]:
    """What holding reconcilers by their Leases takes: those of Serving, and that of the operator which rules it."""
    operated = facts.installation and facts.installation.operator
    operator = of_operator(facts.observation) if operated else None
    for space in dict.fromkeys((facts.serving, *([operator.deployment.namespace] if operator else []))):
        yield from _each("update", k.LEASE, space)
        yield from _each("delete", k.POD, space)
    yield from _each("patch", k.CONFIG_MAP, facts.serving)
    yield from _each("patch", k.DEPLOYMENT, facts.installation.ingress_namespace if facts.installation else "")


def _rotate(facts: Facts) -> Iterator[Access]:
    yield from _each("patch", k.CLUSTER_ISSUER)
    yield from _each("create patch", k.CERTIFICATE, facts.resources)
    yield from _each("update", k.CERTIFICATE, subresource="status")
    yield from _each("get create update delete", k.LEASE, facts.serving)
    for space in facts.installation.trust_namespaces if facts.installation else ():
        yield from _each("create patch", k.CONFIG_MAP, space)


def _handshakes(facts: Facts) -> Iterator[Access]:
    yield from _each("get create", k.POD, subresource="portforward")


COMMANDS = {
    "check": _read,
    "enable": _enable,
    "disable": _disable,
    "unbroken": _unbroken,
    "rotate-ca": _rotate,
    "handshakes": _handshakes,
}
"""Command → the accesses it needs; `handshakes` is what looking at served certificates from outside takes, `unbroken`
what turning surfaces on or off takes to interrupt nobody."""


def needed(facts: Facts, command: str) -> tuple[Access, ...]:
    """The accesses a command needs in this cluster."""
    return tuple(dict.fromkeys(COMMANDS[command](facts)))


def everything(facts: Facts) -> tuple[Access, ...]:
    """All of them, each once."""
    return tuple(dict.fromkeys(access for command in COMMANDS for access in needed(facts, command)))
