"""The objects `enable` writes, made without a cluster: for a repository that a GitOps controller applies."""

from __future__ import annotations

from typing import Any

from kntls.certmanager.manifests import (
    CA_ISSUER,
    ROOT_CERTIFICATE,
    ROOT_SECRET,
    RootOptions,
    ca_issuer,
    root_certificate,
    self_signed_issuer,
)
from kntls.knative.config import render_issuer_ref
from kntls.knative.names import CONFIG_CERTMANAGER, CONFIG_NETWORK, Surface
from kntls.model.kinds import CONFIG_MAP, KNATIVE_SERVING
from kntls.model.objects import ObjectRef
from kntls.pki.bundle import write
from kntls.pki.certificate import Certificate
from kntls.surfaces.config import PREFIX
from kntls.surfaces.steps import ENABLED
from kntls.trust.bundles import BUNDLE_KEY
from kntls.trust.edit import manifest

Manifest = dict[str, Any]
RESOURCE_NAMESPACE = "cert-manager"
"""Where cert-manager's charts and YAML keep the Secrets of ClusterIssuers."""
SERVING_NAMESPACE = "knative-serving"


def issuers(options: RootOptions, namespace: str = RESOURCE_NAMESPACE) -> tuple[Manifest, ...]:
    """SelfSigned ClusterIssuer, root Certificate and CA ClusterIssuer."""
    root = root_certificate(ROOT_CERTIFICATE, ROOT_SECRET, namespace, options)
    return (self_signed_issuer(), root, ca_issuer(ROOT_SECRET))


def trust_bundle(anchors: tuple[Certificate, ...], name: str, namespaces: tuple[str, ...]) -> tuple[Manifest, ...]:
    """The trust bundle for each namespace whose bundles are read."""
    data = {BUNDLE_KEY: write(anchors)}
    return tuple(manifest(ObjectRef(CONFIG_MAP, name, space), data, published=False) for space in namespaces)


def _settings(surfaces: frozenset[Surface], issuer: str) -> dict[str, dict[str, str]]:
    ordered = [surface for surface in Surface if surface in surfaces]
    return {
        CONFIG_NETWORK: {surface.flag: ENABLED for surface in ordered},
        CONFIG_CERTMANAGER: {surface.issuer_key: render_issuer_ref(issuer) for surface in ordered},
    }


def config_maps(
    surfaces: frozenset[Surface], issuer: str = CA_ISSUER, namespace: str = SERVING_NAMESPACE
) -> tuple[Manifest, ...]:
    """The keys of Serving's ConfigMaps, to be applied on the server's side so that the other keys stay."""
    return tuple(
        {
            "apiVersion": CONFIG_MAP.api_version,
            "kind": CONFIG_MAP.name,
            "metadata": {"name": config, "namespace": namespace},
            "data": data,
        }
        for config, data in _settings(surfaces, issuer).items()
    )


def knative_serving(
    surfaces: frozenset[Surface], issuer: str = CA_ISSUER, namespace: str = SERVING_NAMESPACE
) -> tuple[Manifest, ...]:
    """The same for the operator: the part of a KnativeServing that sets those keys."""
    config = {name.removeprefix(PREFIX): data for name, data in _settings(surfaces, issuer).items()}
    return (
        {
            "apiVersion": KNATIVE_SERVING.api_version,
            "kind": KNATIVE_SERVING.name,
            "metadata": {"name": SERVING_NAMESPACE, "namespace": namespace},
            "spec": {"config": config},
        },
    )
