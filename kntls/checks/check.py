"""What a check is: an identity, a positive sentence, what it must see, and a pure judgement.

A check is added by one decorated function in the file of its category; its ID, once released, never changes meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from kntls.checks.facts import Facts
from kntls.model.findings import Severity
from kntls.model.kinds import CERTIFICATE, CLUSTER_ISSUER, CONFIG_MAP, DEPLOYMENT, KCERT, KNATIVE_SERVING, SECRET, Kind
from kntls.model.objects import ObjectRef

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
DOCS = "https://github.com/kntls/kntls/blob/main/docs/checks.md"
"""The page with one anchor for each check."""


class Category(StrEnum):
    """Groups of checks, in the order they are shown; the value is the group's name, also on the command line."""

    API = "kubernetes-api"
    VER = "versions"
    CM = "cert-manager"
    ISSUER = "issuers"
    CONFIG = "configuration"
    NS = "namespaces"
    KCERT = "certificates"
    RESTART = "restarts"
    LEAF = "leaves"
    TRUST = "trust"
    SERVE = "serving"
    ROT = "rotation"


class Phase(StrEnum):
    """When a check runs."""

    RUNNING = "check"
    BOTH = "check and check --pre"
    BEFORE = "check --pre"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing a check found."""

    object: ObjectRef | None
    reason: str
    fix: str = ""
    """A command to copy, or a short instruction where no command does it."""


@dataclass(frozen=True)
class Condition:
    """What must be so for a check to apply at all."""

    sentence: str
    """`system-internal encryption is on`."""
    holds: Callable[[Facts], bool | None]
    """None where it cannot be told from what was read."""
    needs: frozenset[Kind] = frozenset()
    unknown: str = ""
    """What to say where it cannot be told."""


@dataclass(frozen=True)
class Check:
    """One rule."""

    id: str
    sentence: str
    """What is so when all is well: `every leaf is signed by a CA that its consumers trust`."""
    severity: Severity
    judge: Callable[[Facts], Iterable[Problem]]
    why: str
    """What goes wrong otherwise, and how it looks."""
    remedy: str
    """What to do about it, for the check reference."""
    needs: frozenset[Kind]
    """The kinds it must have seen."""
    when: tuple[Condition, ...] = ()
    causes: tuple[str, ...] = ()
    """Checks whose findings are explained by this one's, and then shown beneath it."""
    phase: Phase = Phase.RUNNING

    @property
    def category(self) -> Category:
        """The group, from the ID."""
        return Category[self.id.split("-")[1]]

    @property
    def anchor(self) -> str:
        """Where the reference explains it."""
        return f"{DOCS}#{self.id.lower()}"


CHECKS: dict[str, Check] = {}
"""Every check by ID; filled when `kntls.checks` is imported."""

Judge = Callable[[Facts], Iterable[Problem]]


def check(
    id: str,
    sentence: str,
    severity: Severity,
    *,
    why: str,
    remedy: str,
    needs: Collection[Kind] = (),
    when: Collection[Condition] = (),
    causes: Collection[str] = (),
    phase: Phase = Phase.RUNNING,
) -> Callable[[Judge], Judge]:
    """Register the decorated function as the judgement of a check. Raises `ValueError` for an ID used twice."""

    def register(judge: Judge) -> Judge:
        if id in CHECKS:
            raise ValueError(f"two checks are called {id}")
        CHECKS[id] = Check(
            id, sentence, severity, judge, why, remedy, frozenset(needs), tuple(when), tuple(causes), phase
        )
        return judge

    return register


def _seen(facts: Facts, found: bool) -> bool | None:
    """Whether something is there. Files need not hold all of a cluster: what they lack is unknown."""
    return found or (False if facts.observation.live else None)


def _surface_on(facts: Facts, name: str = "") -> bool | None:
    if facts.settings is None:
        return None if facts.installation or not facts.observation.live else False
    return any(name in ("", surface) for surface in facts.surfaces)


_CONFIGURED = frozenset({CONFIG_MAP})
INSTALLED = Condition(
    "Knative Serving is installed", lambda facts: _seen(facts, facts.installation is not None), _CONFIGURED
)
MANAGED = Condition(
    "cert-manager is installed", lambda facts: _seen(facts, facts.manager is not None), frozenset({DEPLOYMENT})
)
WHOLE = Condition(
    "a cluster is looked at, or files that hold it",
    lambda facts: facts.observation.live or facts.installation is not None or None,
    _CONFIGURED,
    "whether Knative Serving is installed: not in the files",
)
WHOLE_MANAGER = Condition(
    "a cluster is looked at, or files that hold cert-manager",
    lambda facts: facts.observation.live or facts.manager is not None or None,
    frozenset({DEPLOYMENT}),
    "whether cert-manager is installed: not in the files",
)
PRESENT_TIME = Condition(
    "a cluster is looked at",
    lambda facts: facts.observation.live or None,
    unknown="how long something takes: files do not tell when they were written",
)
ON = Condition("encryption is on for a surface", _surface_on, _CONFIGURED)
INTERNAL = Condition(
    "system-internal encryption is on", lambda facts: _surface_on(facts, "system-internal"), _CONFIGURED
)
NOT_INTERNAL = Condition(
    "system-internal encryption is off",
    lambda facts: None if (on := _surface_on(facts, "system-internal")) is None else not on,
    _CONFIGURED,
)
LOCAL = Condition("cluster-local encryption is on", lambda facts: _surface_on(facts, "cluster-local"), _CONFIGURED)
EXTERNAL = Condition(
    "external-domain encryption is on", lambda facts: _surface_on(facts, "external-domain"), _CONFIGURED
)


def _keys_read(facts: Facts) -> bool | None:
    """Whether private keys were among what was read; a must-gather has `1675 bytes long` in their place
    (openshift/oc `pkg/cli/admin/inspect/secret.go`)."""
    seen = facts.observation.live or any(obj.get("publicKey") for obj in facts.observation.all(SECRET))
    return seen or None


KEYS = Condition(
    "private keys were read", _keys_read, frozenset({SECRET}), "secrets: their private keys are not in the files"
)


def _signing(facts: Facts) -> bool | None:
    """Whether some CA in use can be looked at; files may lack its Secret, or all of cert-manager."""
    missing = bool(facts.ca_secrets) or facts.manager is None
    return bool(facts.authorities) or (None if missing and not facts.observation.live else False)


SIGNING = Condition(
    "a CA issuer is in use, and its Secret is there",
    _signing,
    needs=frozenset({CLUSTER_ISSUER, DEPLOYMENT, SECRET}),
    unknown="secrets: that of the CA is not in the files",
)
ISSUED = Condition(
    "certificates have been issued",
    lambda facts: any(True for _ in facts.issued),
    frozenset({CERTIFICATE, KCERT, SECRET}),
)
OPERATED = Condition(
    "an operator owns the configuration",
    lambda facts: facts.installation is not None and facts.installation.operator is not None,
    frozenset({CONFIG_MAP, KNATIVE_SERVING}),
)
KOURIER = Condition(
    "Kourier is the ingress layer",
    lambda facts: facts.installation is not None and bool(facts.installation.ingress_namespace),
    frozenset({CONFIG_MAP, DEPLOYMENT}),
)
