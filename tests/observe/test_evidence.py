"""What takes a request for each piece: permissions, definitions, logs. Seen, or noted as not seen."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kntls.cluster.client import Cluster
from kntls.cluster.connection import connect
from kntls.lab import Lab
from kntls.model.kinds import CONFIG_MAP, CRD, LOG, POD, SELF_SUBJECT_ACCESS_REVIEW
from kntls.model.objects import ObjectRef
from kntls.model.observation import Observation
from kntls.observe.access import Access, asking
from kntls.observe.evidence import definitions, log_lines

NAMES = ("certificates.cert-manager.io", "nothing.example.com")


@pytest.fixture
def cluster(api: Lab) -> Cluster:
    return connect(kubeconfig=str(api.kubeconfig))


def nothing() -> Observation:
    return Observation("test", datetime.now(UTC), live=True)


def stranger(api: Lab) -> Cluster:
    return connect(kubeconfig=str(api.kubeconfig), as_user="stranger")


def test_definitions_are_seen_with_the_time_they_were_made(cluster):
    seen = definitions(NAMES)(cluster, nothing())
    (found,) = seen.all(CRD)
    assert found["metadata"]["name"] == NAMES[0]
    assert found["metadata"]["creationTimestamp"]
    assert set(found) == {"apiVersion", "kind", "metadata"}


def test_definitions_that_may_not_be_read_are_noted(api):
    seen = definitions(NAMES)(stranger(api), nothing())
    assert not seen.knows(CRD)
    assert [entry.what for entry in seen.unread] == [CRD.resource]


def test_looking_again_replaces_what_was_noted(api, cluster):
    before = definitions(NAMES)(stranger(api), nothing())
    assert definitions(NAMES)(cluster, before).unread == ()


def test_an_answer_is_kept_under_its_question(api, cluster):
    access = Access("patch", CONFIG_MAP, "default")
    for who, allowed in ((cluster, True), (stranger(api), False)):
        seen = asking(lambda _: [access])(who, nothing())
        answer = seen.get(SELF_SUBJECT_ACCESS_REVIEW, "patch configmaps -n default")
        assert answer["status"] == {"allowed": allowed}


@pytest.mark.parametrize(
    ("access", "text"),
    [
        (Access("list", POD), "list pods -A"),
        (Access("create", POD, "ns", "portforward"), "create pods/portforward -n ns"),
        (Access("get", CRD), "get customresourcedefinitions.apiextensions.k8s.io"),
    ],
)
def test_a_question_reads_as_kubectl_takes_it(access, text):
    assert str(access) == text


def test_a_log_that_cannot_be_read_is_noted(cluster):
    seen = log_lines(lambda _: [ObjectRef(POD, "nowhere", "default")], "queue-proxy")(cluster, nothing())
    assert not seen.knows(LOG)
    assert "nowhere" in seen.unread[0].reason


def test_where_no_log_is_wanted_none_is_asked_for(cluster):
    before = cluster.requests
    seen = log_lines(lambda _: [], "queue-proxy")(cluster, nothing())
    assert seen.knows(LOG)
    assert cluster.requests == before
