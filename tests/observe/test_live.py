"""Reading a cluster: nothing is lost when a list expires, and large pages are not decoded side by side."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from kntls.cluster import client
from kntls.cluster.connection import connect
from kntls.lab import Lab
from kntls.model.kinds import CONFIG_MAP, NAMESPACE, Kind
from kntls.observe.live import Observer
from kntls.observe.slim import slim


@pytest.fixture
def spaces(api: Lab, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    cluster = connect(kubeconfig=str(api.kubeconfig))
    names = [f"live-{number}" for number in range(4)]
    for name in names:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        metadata = {"name": "ours", "namespace": name, "labels": {"app.kubernetes.io/managed-by": "kntls"}}
        cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    monkeypatch.setattr(client, "PAGE", 2)
    yield names
    api.faults.clear()


def test_a_list_that_expires_half_way_is_observed_whole(api: Lab, spaces: list[str]) -> None:
    api.faults.add("gone@list:namespaces*1")
    seen = Observer(connect(kubeconfig=str(api.kubeconfig))).observe([NAMESPACE])
    assert all(seen.get(NAMESPACE, name) for name in spaces)
    assert len({obj["metadata"]["name"] for obj in seen.all(NAMESPACE)}) == len(seen.objects[NAMESPACE])


def test_pages_are_decoded_and_reduced_one_after_the_other(api: Lab, spaces: list[str]) -> None:
    at_work: list[Kind] = []
    together: list[int] = []

    def slowly(kind: Kind, obj: Mapping[str, Any]) -> dict[str, Any]:
        at_work.append(kind)
        time.sleep(0.02)
        together.append(len(at_work))
        at_work.remove(kind)
        return slim(kind, obj)

    seen = Observer(connect(kubeconfig=str(api.kubeconfig)), reduce=slowly).observe([NAMESPACE, CONFIG_MAP])
    assert len(seen.objects[CONFIG_MAP]) >= len(spaces)
    assert set(together) == {1}
