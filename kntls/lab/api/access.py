"""Who asks, and whether they may: tokens, impersonation, and Kubernetes' RBAC over the stored roles and bindings."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kntls.lab.answers import ApiError
from kntls.lab.api.messages import Request, Target
from kntls.lab.objects import Object, meta, name_of
from kntls.lab.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    Resource,
)
from kntls.lab.selectors import label_selector
from kntls.lab.store import Store

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
ISSUER = "https://kubernetes.default.svc"


@dataclass(frozen=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """As `authentication.k8s.io` UserInfo."""
        info: dict[str, Any] = {"username": self.name, "groups": list(self.groups)}
        extra = {"extra": {key: list(values) for key, values in self.extra.items()}} if self.extra else {}
        return info | ({"uid": self.uid} if self.uid else {}) | extra


ADMIN = User("kubernetes-admin", (MASTERS, AUTHENTICATED))
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


def unauthorized() -> ApiError:
    """401: a token nobody issued."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


_HEADER = _b64(b'{"alg":"HS256"}')


class Tokens:
    """The admin's token, and signed tokens of ServiceAccounts."""

    def __init__(self, store: Store) -> None:
        self.admin = secrets.token_urlsafe(24)
        self._store = store
        self._key = secrets.token_bytes(32)

    def issue(self, namespace: str, name: str, seconds: int, audiences: Sequence[str]) -> str:
        """A token of a ServiceAccount that is valid for so long; raises `ApiError` 404."""
        account = self._store.peek(SERVICE_ACCOUNTS, namespace, name)
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": f"system:serviceaccount:{namespace}:{name}",
            "aud": list(audiences) or [ISSUER],
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": meta(account)["uid"]}},
        }
        signed = f"{_HEADER}.{_b64(json.dumps(claims).encode())}"
        return f"{signed}.{self._signature(signed)}"

    def _signature(self, signed: str) -> str:
        return _b64(hmac.new(self._key, signed.encode(), hashlib.sha256).digest())

    def user(self, token: str) -> User | None:
        """Whose token it is; None for a false or expired one, or if its ServiceAccount is gone."""
        if hmac.compare_digest(token.encode(), self.admin.encode()):
            return ADMIN
        signed, _, signature = token.rpartition(".")
        if not signed or not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return None
        return self._account(json.loads(_unb64(signed.partition(".")[2])))

    def _account(self, claims: Mapping[str, Any]) -> User | None:
        bound = claims["kubernetes.io"]
        namespace, account = bound["namespace"], bound["serviceaccount"]
        stored = self._store.find(SERVICE_ACCOUNTS, namespace, account["name"])
        if claims["exp"] < time.time() or stored is None or meta(stored)["uid"] != account["uid"]:
            return None
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
        return User(claims["sub"], groups, account["uid"])


@dataclass(frozen=True)
class Question:
    """What is asked for: the attributes RBAC decides on."""

    verb: str
    group: str = ""
    resource: str = ""
    """With the subresource: `certificates/status`."""
    namespace: str = ""
    name: str = ""
    path: str = ""
    """A path that is no resource's, instead of all the others."""

    @classmethod
    def of(cls, target: Target) -> Question:
        """The question a request raises."""
        resource = "/".join(filter(None, (target.resource.plural, target.subresource)))
        return cls(target.verb, target.resource.group, resource, target.namespace, target.name)


def _listed(wanted: str, allowed: Sequence[str]) -> bool:
    return "*" in allowed or wanted in allowed


def _resource_listed(resource: str, allowed: Sequence[str]) -> bool:
    subresource = resource.partition("/")[2]
    return _listed(resource, allowed) or (bool(subresource) and f"*/{subresource}" in allowed)


def _path_listed(path: str, allowed: Sequence[str]) -> bool:
    return any(path == p or (p.endswith("*") and path.startswith(p[:-1])) for p in allowed)


def permits(rule: Mapping[str, Any], question: Question) -> bool:
    """Whether one rule of a role allows what is asked."""
    if not _listed(question.verb, rule.get("verbs") or ()):
        return False
    if question.path:
        return _path_listed(question.path, rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames") or ()
    return (
        _listed(question.group, rule.get("apiGroups") or ())
        and _resource_listed(question.resource, rule.get("resources") or ())
        and (not names or question.name in names)
    )


class Authorizer:
    """RBAC over what is stored; members of system:masters may do everything."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def allows(self, user: User, question: Question) -> bool:
        """Whether the user may."""
        return MASTERS in user.groups or any(permits(rule, question) for rule in self.rules(user, question.namespace))

    def rules(self, user: User, namespace: str) -> Iterator[Mapping[str, Any]]:
        """The rules that hold for a user cluster-wide and in a namespace."""
        for binding in self._store.list(CLUSTER_ROLE_BINDINGS)[0]:
            if _bound(binding, user):
                yield from self._role_rules(binding, "")
        for binding in self._store.list(ROLE_BINDINGS, namespace)[0] if namespace else ():
            if _bound(binding, user):
                yield from self._role_rules(binding, namespace)

    def _role_rules(self, binding: Object, namespace: str) -> Iterator[Mapping[str, Any]]:
        reference = binding["roleRef"]
        if reference["kind"] == "ClusterRole":
            role = self._store.find(CLUSTER_ROLES, "", reference["name"])
        else:
            role = self._store.find(ROLES, namespace, reference["name"])
        if role is not None:
            yield from role.get("rules") or ()
            yield from self._aggregated(role)

    def _aggregated(self, role: Object) -> Iterator[Mapping[str, Any]]:
        """The rules of the ClusterRoles an aggregating one selects, and of those they aggregate in turn."""
        for selector in (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
            selected = label_selector(selector)
            for other in self._store.list(CLUSTER_ROLES)[0]:
                if name_of(other) != name_of(role) and selected(meta(other).get("labels") or {}):
                    yield from other.get("rules") or ()
                    yield from self._aggregated(other)


def _bound(binding: Object, user: User) -> bool:
    return any(_is_subject(subject, user) for subject in binding.get("subjects") or ())


def _is_subject(subject: Mapping[str, Any], user: User) -> bool:
    kind, name = subject.get("kind"), subject.get("name", "")
    if kind == "ServiceAccount":
        return user.name == f"system:serviceaccount:{subject.get('namespace')}:{name}"
    return name in user.groups if kind == "Group" else name == user.name


def denial(user: User, question: Question, resource: Resource | None = None) -> ApiError:
    """The 403 as the API server words it."""
    if question.path:
        message = f'forbidden: User "{user.name}" cannot {question.verb} path "{question.path}"'
        return ApiError(403, "Forbidden", message, {})
    where = f'in the namespace "{question.namespace}"' if question.namespace else "at the cluster scope"
    plural = question.resource.partition("/")[0]
    key = f"{plural}.{question.group}" if question.group else plural
    what = f'{key} "{question.name}"' if question.name else key
    message = (
        f'{what} is forbidden: User "{user.name}" cannot {question.verb} resource "{question.resource}" '
        f'in API group "{question.group}" {where}'
    )
    group = {"group": question.group} if question.group else {}
    name = {"name": question.name} if question.name else {}
    return ApiError(403, "Forbidden", message, {**name, **group, "kind": plural})


class Gate:
    """Authentication and authorization of requests."""

    def __init__(self, store: Store) -> None:
        self.tokens = Tokens(store)
        self.authorizer = Authorizer(store)

    def user(self, request: Request) -> User:
        """Who asks, impersonation included; raises `ApiError` 401 or 403."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not token:
            return ANONYMOUS
        user = self.tokens.user(token) if scheme.lower() == "bearer" else None
        if user is None:
            raise unauthorized()
        wanted = request.headers.get("impersonate-user")
        return self._impersonated(user, wanted, request) if wanted else user

    def _impersonated(self, user: User, name: str, request: Request) -> User:
        groups = tuple(filter(None, request.headers.get("impersonate-group", "").split(",")))
        asked = [Question("impersonate", "", "users", name=name)]
        asked += [Question("impersonate", "", "groups", name=group) for group in groups]
        for question in asked:
            if not self.authorizer.allows(user, question):
                raise denial(user, question)
        if name.startswith("system:serviceaccount:") and not groups:
            namespace = name.split(":")[2]
            groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
        return User(name, (*groups, AUTHENTICATED))

    def check(self, user: User, request: Request, target: Target | None) -> None:
        """Raise `ApiError` 403 if the user may not."""
        question = Question.of(target) if target else Question(request.method.lower(), path=request.path)
        if target and target.resource.key == "namespaces" and target.name:
            question = replace(question, namespace=target.name)
        if not self.authorizer.allows(user, question):
            raise denial(user, question)
