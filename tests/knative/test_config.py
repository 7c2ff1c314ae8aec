"""config-network and config-certmanager as Knative reads them."""

from __future__ import annotations

import pytest

from kntls.errors import InputError
from kntls.knative.config import Network, issuer_ref
from kntls.knative.names import Surface
from kntls.model import kinds as k
from tests.world import ISSUER, healthy

INTERNAL, LOCAL, EXTERNAL = Surface.SYSTEM_INTERNAL, Surface.CLUSTER_LOCAL, Surface.EXTERNAL_DOMAIN


@pytest.mark.parametrize(
    ("data", "surface", "on"),
    [
        ({"system-internal-tls": "Enabled"}, INTERNAL, True),
        ({"system-internal-tls": "enabled"}, INTERNAL, True),
        ({"system-internal-tls": ""}, INTERNAL, False),
        ({"internal-encryption": "true", "system-internal-tls": "Disabled"}, INTERNAL, True),
        ({"internal-encryption": "false"}, INTERNAL, False),
        ({"cluster-local-domain-tls": "ENABLED"}, LOCAL, True),
        ({"cluster-local-domains-tls": "Enabled"}, LOCAL, False),
        ({"external-domain-tls": "true"}, EXTERNAL, False),
        ({"external-domain-tls": "Enabled "}, EXTERNAL, False),
        ({"auto-tls": "Enabled"}, EXTERNAL, True),
        ({"auto-tls": "Enabled", "external-domain-tls": "Disabled"}, EXTERNAL, False),
    ],
)
def test_a_surface_is_on_exactly_when_knative_thinks_so(data, surface, on):
    assert Network(data).on(surface) is on


def test_an_issuer_reference_is_laid_over_the_default():
    world = healthy()
    world.config("config-certmanager")["issuerRef"] = "name: other\n"
    seen = world.observation()
    assert str(issuer_ref(seen, world.serving, EXTERNAL)) == "ClusterIssuer other"
    assert issuer_ref(seen, world.serving, INTERNAL).name == ISSUER
    world.config("config-certmanager")["issuerRef"] = ""
    assert issuer_ref(world.observation(), world.serving, EXTERNAL).name == "knative-selfsigned-issuer"


def test_a_reference_that_is_not_yaml_is_named():
    world = healthy()
    world.config("config-certmanager")["issuerRef"] = "name: [\n"
    with pytest.raises(InputError, match="not YAML") as raised:
        issuer_ref(world.observation(), world.serving, EXTERNAL)
    assert "config-certmanager key issuerRef" in str(raised.value)


def test_the_example_in_a_config_map_is_no_configuration():
    world = healthy(surfaces=())
    world.get(k.CONFIG_MAP, "config-network", world.serving)["data"]["_example"] = "system-internal-tls: Enabled"
    seen = world.observation()
    from kntls.knative.config import network

    assert network(seen, world.serving).surfaces == ()
