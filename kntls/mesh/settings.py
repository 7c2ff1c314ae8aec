"""What the control plane's objects say about authorization: trust domains, root namespace, paths, providers.

Read from an OSSM 2 ServiceMeshControlPlane (maistra istio-operator `pkg/apis/maistra/v2`), an OSSM 3 / Sail Istio
resource (sail `api/v1/values_types.gen.go`), or Istio's own ConfigMap `istio`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from kntls.mesh.authz.model import Mesh, Normalization
from kntls.mesh.resources import Resource, Resources
from kntls.mesh.shapes import MESH_CONFIG

_DEFAULT_NORMALIZATION = "DEFAULT"


def mesh_settings(resources: Resources, given: Mesh | None = None) -> Mesh:
    """The mesh as the control plane in the input configures it; the defaults where there is none."""
    mesh = given or Mesh()
    for found in resources.all("ServiceMeshControlPlane"):
        mesh = _from_control_plane(found, mesh)
    for found in resources.all("Istio"):
        values = found.spec.get("values") or {}
        root = str(found.spec.get("namespace") or mesh.root_namespace)
        mesh = _from_config(found, values.get("meshConfig") or {}, replace(mesh, root_namespace=root))
    for found in resources.all("ConfigMap"):
        if found.name == "istio" and "mesh" in (found.body.get("data") or {}):
            config = _config_map(found)
            mesh = _from_config(found, config, replace(mesh, root_namespace=found.namespace))
    return mesh


def _config_map(found: Resource) -> Mapping[str, Any]:
    """The configuration in the ConfigMap `istio`. Raises `InputError` for what istiod could not read either."""
    try:
        config = yaml.safe_load(found.body["data"]["mesh"]) or {}
    except yaml.YAMLError:
        raise found.error("data.mesh", "is not YAML") from None
    for path, what in MESH_CONFIG.problems(config, "data.mesh"):
        raise found.error(path, what)
    return config


def _from_control_plane(found: Resource, mesh: Mesh) -> Mesh:
    security = _mapping(found.spec.get("security"))
    trust, data_plane = _mapping(security.get("trust")), _mapping(security.get("dataPlane"))
    preview = _mapping(_mapping(found.spec.get("techPreview")).get("meshConfig"))
    mesh = replace(
        mesh,
        root_namespace=found.namespace,
        trust_domain=str(trust.get("domain") or mesh.trust_domain),
        aliases=tuple(map(str, trust.get("additionalDomains") or mesh.aliases)),
        auto_mtls=bool(data_plane.get("automtls", mesh.auto_mtls)),
    )
    return _from_config(found, preview, mesh)


def _from_config(found: Resource, config: Mapping[str, Any], mesh: Mesh) -> Mesh:
    return replace(
        mesh,
        root_namespace=str(config.get("rootNamespace") or mesh.root_namespace),
        trust_domain=str(config.get("trustDomain") or mesh.trust_domain),
        aliases=tuple(map(str, config.get("trustDomainAliases") or mesh.aliases)),
        auto_mtls=bool(config.get("enableAutoMtls", mesh.auto_mtls)),
        normalization=_normalization(found, config) or mesh.normalization,
        providers=tuple(config.get("extensionProviders") or mesh.providers),
    )


def _normalization(found: Resource, config: Mapping[str, Any]) -> Normalization | None:
    name = _mapping(config.get("pathNormalization")).get("normalization")
    if not name:
        return None
    if name == _DEFAULT_NORMALIZATION:
        return Normalization.BASE
    if name not in Normalization.__members__:
        known = ", ".join((_DEFAULT_NORMALIZATION, *Normalization.__members__))
        raise found.error("pathNormalization.normalization", f"{name!r} is not one of {known}")
    return Normalization[name]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
