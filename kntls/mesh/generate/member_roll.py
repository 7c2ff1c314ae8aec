"""Who is in the mesh: the ServiceMeshMemberRoll of OSSM 2, or the namespace labels that inject sidecars."""

from __future__ import annotations

from dataclasses import dataclass

from kntls.errors import Refused, UsageError
from kntls.mesh.generate.baseline import EVENTING, SERVING
from kntls.mesh.generate.model import Flavour, Generated, Manifest, Target, check_label, check_namespaces
from kntls.model.kinds import NAMESPACE, SMMR

STATIC: tuple[str, ...] = (SERVING, EVENTING)
"""Namespaces that must be members wherever Serverless runs on the mesh (OpenShift Serverless, section 2.3)."""


@dataclass(frozen=True)
class Members:
    """The tenants' namespaces, and which control-plane revision injects them."""

    namespaces: tuple[str, ...]
    revision: str = ""
    """`istio.io/rev`; empty = the default revision."""
    static: bool = True
    """Add Knative's own namespaces."""


def _labels(wanted: Members, target: Target) -> dict[str, str]:
    revision = check_label(wanted.revision, "revision") if wanted.revision else ""
    labels = {"istio.io/rev": revision} if revision else {"istio-injection": "enabled"}
    return labels


def _namespace(name: str, labels: dict[str, str]) -> Manifest:
    return {"apiVersion": "v1", "kind": NAMESPACE.name, "metadata": {"name": name, "labels": labels}}


def member_roll(wanted: Members, target: Target) -> Generated:
    """The roll (always named `default`), or one labelled Namespace a member.

    Raises `UsageError` for names that are none, `Refused` for the control plane's own namespace.
    """
    given = tuple(each for each in wanted.namespaces if each not in STATIC) if wanted.static else wanted.namespaces
    members = check_namespaces((*(STATIC if wanted.static else ()), *given))
    if target.root_namespace in members:
        raise Refused(f"{target.root_namespace} holds the control plane and cannot be a member")
    if target.flavour is Flavour.OSSM2 and wanted.revision:
        raise UsageError("a member roll knows no revisions", where="--revision", fix="leave it out with ossm2")
    if target.flavour is Flavour.OSSM2:
        roll = target.manifest(SMMR, "default", target.root_namespace, spec={"members": list(members)})
        note = (
            "membership does not inject: pods need the annotation sidecar.istio.io/inject: 'true' "
            "(kntls mesh generate integration sets it for Knative's own)"
        )
        return Generated((roll,), (note,))
    labels = _labels(wanted, target)
    notes = ["running pods get their sidecar when they are restarted"]
    if target.flavour is Flavour.OSSM3:
        notes.append("if the Istio CR sets discoverySelectors, the namespaces need their label too")
    return Generated(tuple(_namespace(each, labels) for each in members), tuple(notes))
