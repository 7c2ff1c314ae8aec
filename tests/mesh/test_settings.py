"""The mesh's settings from each kind of control plane."""

import pytest
import yaml

from kntls.errors import InputError
from kntls.mesh import resources
from kntls.mesh.authz import Mesh, Normalization
from kntls.mesh.control import implied
from kntls.mesh.settings import mesh_settings


def read(text):
    return resources.from_objects(yaml.safe_load_all(text))


SMCP = """
apiVersion: maistra.io/v2
kind: ServiceMeshControlPlane
metadata: {name: basic, namespace: mesh}
spec:
  security: {trust: {domain: example.org, additionalDomains: [old.org]}, dataPlane: {mtls: %s, automtls: false}}
  techPreview: {meshConfig: {pathNormalization: {normalization: MERGE_SLASHES}}}
"""
ISTIO = """
apiVersion: sailoperator.io/v1
kind: Istio
metadata: {name: default}
spec:
  namespace: mesh
  values:
    meshConfig:
      trustDomain: example.org
      trustDomainAliases: [old.org]
      enableAutoMtls: false
      pathNormalization: {normalization: MERGE_SLASHES}
"""
CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: mesh}
data:
  mesh: |
    trustDomain: example.org
    trustDomainAliases: [old.org]
    enableAutoMtls: false
    pathNormalization: {normalization: MERGE_SLASHES}
"""


@pytest.mark.parametrize("text", [SMCP % "true", ISTIO, CONFIG], ids=["ossm2", "ossm3", "istio"])
def test_every_control_plane_says_the_same_in_its_own_words(text):
    expected = Mesh("mesh", "example.org", ("old.org",), auto_mtls=False, normalization=Normalization.MERGE_SLASHES)
    assert mesh_settings(read(text)) == expected


def test_without_a_control_plane_istios_defaults_hold():
    assert mesh_settings(read("")) == Mesh()


def test_a_normalization_that_is_none_is_refused():
    with pytest.raises(InputError, match="'STRICT' is not one of DEFAULT, NONE, BASE"):
        mesh_settings(read(ISTIO.replace("MERGE_SLASHES", "STRICT")))


@pytest.mark.parametrize(
    ("mtls", "made"),
    [
        ("true", ["PeerAuthentication default STRICT", "DestinationRule default", "DestinationRule api-server"]),
        ("false", ["PeerAuthentication default PERMISSIVE"]),
        ("null", []),
    ],
)
def test_mtls_in_an_ossm2_control_plane_implies_objects(mtls, made):
    found = implied(read(SMCP % mtls))
    shown = [f"{item.kind} {item.name} {(item.spec.get('mtls') or {}).get('mode', '')}".strip() for item in found]
    assert shown == made


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("'a: ['", "data.mesh: is not YAML"),
        ("text", "data.mesh: must be a mapping, not a string"),
        ("'extensionProviders: [5]'", "data.mesh.extensionProviders[0]: must be a mapping, not an integer"),
    ],
)
def test_a_configuration_istiod_could_not_read_is_named(text, what):
    config = f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: istio, namespace: mesh}}, data: {{mesh: {text}}}}}"
    with pytest.raises(InputError) as caught:
        mesh_settings(read(config))
    assert str(caught.value) == f"ConfigMap mesh/istio: {what}"
