"""RBAC and tokens."""

import pytest

from kntls.lab.api.access import ADMIN, ISSUER, Authorizer, Question, Tokens, User, permits
from kntls.lab.bootstrap import bootstrap
from kntls.lab.resources import (
    CLUSTER_ROLES,
    COMPONENTS,
    NAMESPACES,
    ROLE_BINDINGS,
    SERVICE_ACCOUNTS,
    Registry,
)
from kntls.lab.shapes import Shapes
from kntls.lab.store import Store

SHAPES = Shapes(COMPONENTS)


@pytest.fixture
def store():
    store = Store(Registry(), SHAPES)
    bootstrap(store)
    for name in ("a", "b"):
        store.create(NAMESPACES, {"metadata": {"name": name}})
    return store


def bind(store, role, *subjects, namespace="a"):
    reference = {"kind": "ClusterRole", "name": role, "apiGroup": "rbac.authorization.k8s.io"}
    metadata = {"name": f"{role}-{len(subjects)}", "namespace": namespace}
    store.create(ROLE_BINDINGS, {"metadata": metadata, "roleRef": reference, "subjects": list(subjects)})


ME = {"kind": "User", "name": "me"}


@pytest.mark.parametrize(
    ("rule", "question", "allowed"),
    [
        ({"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}, Question("get", "", "secrets"), True),
        ({"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}, Question("list", "", "secrets"), False),
        ({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, Question("list", "x.y", "z/status"), True),
        ({"verbs": ["get"], "apiGroups": ["apps"], "resources": ["secrets"]}, Question("get", "", "secrets"), False),
        ({"verbs": ["patch"], "apiGroups": ["x"], "resources": ["z"]}, Question("patch", "x", "z/status"), False),
        ({"verbs": ["patch"], "apiGroups": ["x"], "resources": ["*/status"]}, Question("patch", "x", "z/status"), True),
        (
            {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"]},
            Question("get", "", "secrets", name="two"),
            False,
        ),
        (
            {"verbs": ["list"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"]},
            Question("list", "", "secrets"),
            False,
        ),
        ({"verbs": ["get"], "nonResourceURLs": ["/apis/*"]}, Question("get", path="/apis/x"), True),
        ({"verbs": ["get"], "nonResourceURLs": ["/apis"]}, Question("get", path="/apis/x"), False),
    ],
)
def test_a_rule_permits_what_it_says(rule, question, allowed):
    assert permits(rule, question) is allowed


def test_a_binding_opens_its_own_namespace_only(store):
    bind(store, "view", ME)
    judge = Authorizer(store)
    me = User("me")
    assert judge.allows(me, Question("list", "", "configmaps", "a"))
    assert not judge.allows(me, Question("list", "", "configmaps", "b"))
    assert not judge.allows(me, Question("list", "", "configmaps"))
    assert not judge.allows(me, Question("list", "", "secrets", "a"))


@pytest.mark.parametrize(
    ("subject", "user"),
    [
        (ME, User("me")),
        ({"kind": "Group", "name": "us"}, User("anybody", ("us",))),
        ({"kind": "ServiceAccount", "name": "robot", "namespace": "b"}, User("system:serviceaccount:b:robot")),
    ],
    ids=["user", "group", "service account"],
)
def test_subjects_are_users_groups_and_service_accounts(store, subject, user):
    bind(store, "view", subject)
    assert Authorizer(store).allows(user, Question("get", "", "configmaps", "a"))
    assert not Authorizer(store).allows(User("other"), Question("get", "", "configmaps", "a"))


def test_aggregated_roles_grow_by_label(store):
    bind(store, "view", ME)
    question = Question("list", "cert-manager.io", "certificates", "a")
    assert not Authorizer(store).allows(User("me"), question)
    rule = {"verbs": ["list"], "apiGroups": ["cert-manager.io"], "resources": ["certificates"]}
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    store.create(CLUSTER_ROLES, {"metadata": {"name": "cm-view", "labels": labels}, "rules": [rule]})
    assert Authorizer(store).allows(User("me"), question)


def test_an_account_keeps_its_token_no_longer_than_itself(store):
    store.create(SERVICE_ACCOUNTS, {"metadata": {"name": "robot", "namespace": "a"}})
    tokens = Tokens(store)
    token = tokens.issue("a", "robot", 600, [ISSUER])
    assert tokens.user(token).name == "system:serviceaccount:a:robot"
    assert "system:serviceaccounts:a" in tokens.user(token).groups
    store.delete(SERVICE_ACCOUNTS, "a", "robot")
    assert tokens.user(token) is None


def test_tokens_end_and_cannot_be_made_up(store):
    tokens = Tokens(store)
    token = tokens.issue("a", "default", 600, [])
    assert tokens.user(tokens.issue("a", "default", -1, [])) is None
    assert tokens.user(token[:-2] + ("aa" if token[-2:] != "aa" else "bb")) is None
    assert tokens.user("nonsense") is None
    assert tokens.user(tokens.admin) is ADMIN
    assert Tokens(store).user(token) is None
