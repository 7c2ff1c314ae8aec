"""The virtual resources: access and token reviews answer a question and store nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kntls.lab.api.access import Gate, Question, User
from kntls.lab.objects import Object
from kntls.lab.resources import (
    ACCESS_REVIEWS,
    LOCAL_ACCESS_REVIEWS,
    SELF_ACCESS_REVIEWS,
    SELF_RULES_REVIEWS,
    SELF_SUBJECT_REVIEWS,
    TOKEN_REVIEWS,
)


@dataclass(frozen=True)
class Asked:
    """A review's spec, and who asks."""

    gate: Gate
    user: User
    spec: Mapping[str, Any]
    namespace: str


def _question(spec: Mapping[str, Any], namespace: str) -> Question:
    if (path := spec.get("nonResourceAttributes")) is not None:
        return Question(path.get("verb", ""), path=path.get("path", ""))
    of = spec.get("resourceAttributes") or {}
    resource = "/".join(filter(None, (of.get("resource", ""), of.get("subresource", ""))))
    return Question(
        of.get("verb", ""), of.get("group", ""), resource, of.get("namespace", "") or namespace, of.get("name", "")
    )


def _allowed(asked: Asked, user: User) -> dict[str, Any]:
    return {"allowed": asked.gate.authorizer.allows(user, _question(asked.spec, asked.namespace))}


def _self_access(asked: Asked) -> dict[str, Any]:
    return _allowed(asked, asked.user)


def _access(asked: Asked) -> dict[str, Any]:
    return _allowed(asked, User(asked.spec.get("user", ""), tuple(asked.spec.get("groups") or ())))


def _token(asked: Asked) -> dict[str, Any]:
    user = asked.gate.tokens.user(asked.spec.get("token") or "")
    if user is None:
        return {"user": {}, "error": "[invalid bearer token]"}
    return {"authenticated": True, "user": user.body(), "audiences": ["https://kubernetes.default.svc"]}


def _whoami(asked: Asked) -> dict[str, Any]:
    return {"userInfo": asked.user.body()}


def _rule(rule: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: rule[key] for key in keys if rule.get(key)}


def _rules(asked: Asked) -> dict[str, Any]:
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    rules = list(asked.gate.authorizer.rules(asked.user, asked.spec.get("namespace", "")))
    rules += [everything] if "system:masters" in asked.user.groups else []
    resources = [r for r in rules if r.get("resources")]
    paths = [r for r in rules if r.get("nonResourceURLs")]
    return {
        "resourceRules": [_rule(r, ("verbs", "apiGroups", "resources", "resourceNames")) for r in resources],
        "nonResourceRules": [_rule(r, ("verbs", "nonResourceURLs")) for r in paths],
        "incomplete": False,
    }


REVIEWS: Mapping[str, Callable[[Asked], dict[str, Any]]] = {
    SELF_ACCESS_REVIEWS.key: _self_access,
    ACCESS_REVIEWS.key: _access,
    LOCAL_ACCESS_REVIEWS.key: _access,
    TOKEN_REVIEWS.key: _token,
    SELF_SUBJECT_REVIEWS.key: _whoami,
    SELF_RULES_REVIEWS.key: _rules,
}
"""Resource → what answers its reviews."""


def answer(resource: str, review: Object, gate: Gate, user: User, namespace: str) -> Object:
    """The review with its status."""
    asked = Asked(gate, user, review.get("spec") or {}, namespace)
    return {**review, "metadata": review.get("metadata") or {}, "status": REVIEWS[resource](asked)}
