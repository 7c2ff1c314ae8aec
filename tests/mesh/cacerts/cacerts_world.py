"""CAs, Secrets and Deployments for the tests of plug-in CAs."""

import base64
from datetime import UTC, datetime, timedelta

from kntls.mesh.cacerts.create import Wanted, create, files
from kntls.mesh.cacerts.material import material
from kntls.model.kinds import DEPLOYMENT, NAMESPACE, SECRET, SMCP, SMMR
from kntls.model.observation import Observation
from kntls.observe.slim import slim

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def ca(name="one", **changes):
    """A root, its CA and their files."""
    wanted = Wanted(f"root {name}", f"ca {name}", **changes)
    root, signer = create(wanted, NOW - timedelta(days=1))
    return root, signer, files(root, signer)


def read(texts, where="test"):
    return material({name: text.encode() for name, text in texts.items()}, where)


def secret(texts, namespace="istio-system", name="cacerts"):
    data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data, "type": "Opaque"}


def deployment(namespace, name, labels=None, env=(), owner=None):
    labels = {"app": name, **(labels or {})}
    metadata = {"name": name, "namespace": namespace, "labels": labels, "generation": 1}
    metadata |= {"ownerReferences": [{"kind": owner}]} if owner else {}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "env": list(env)}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"replicas": 1, "template": template},
        "status": {"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": 1, "replicas": 1},
    }


def smcp(security=None):
    metadata = {"name": "basic", "namespace": "istio-system"}
    return {
        "apiVersion": "maistra.io/v2",
        "kind": "ServiceMeshControlPlane",
        "metadata": metadata,
        "spec": {"security": security or {}},
    }


def roll(*members):
    metadata = {"name": "default", "namespace": "istio-system"}
    return {
        "apiVersion": "maistra.io/v1",
        "kind": "ServiceMeshMemberRoll",
        "metadata": metadata,
        "spec": {"members": list(members)},
    }


def namespace(name, **labels):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def observe(*objects):
    every = (SECRET, DEPLOYMENT, NAMESPACE, SMCP, SMMR)
    kinds = {kind.name: kind for kind in every}
    found = {kind: [] for kind in kinds.values()}
    for each in objects:
        found[kinds[each["kind"]]].append(slim(kinds[each["kind"]], each))
    return Observation("test", NOW, {kind: tuple(items) for kind, items in found.items()}, live=True)
