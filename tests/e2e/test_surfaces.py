"""Each surface alone, and surfaces with CAs of their own: each test goes on where the one before it stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from cryptography import x509

from tests.e2e import evidence, kube, naive, pace, traffic, world
from tests.e2e.program import kntls
from tests.e2e.test_main_job import activator, addresses, cluster, surfaces, tenants, under_traffic  # noqa: F401

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

INSIDE, OUTSIDE = "inside", "outside"
DOMAIN = "apps.example.com"


@pytest.fixture(scope="module", autouse=True)
def authorities(tenants: None) -> Iterator[None]:  # noqa: F811 - the fixture
    """Two CA ClusterIssuers somebody else made, and a domain that is not the cluster's own."""
    for name in (INSIDE, OUTSIDE):
        naive.make_ca(name)
        kube.apply(
            {
                "apiVersion": "cert-manager.io/v1",
                "kind": "ClusterIssuer",
                "metadata": {"name": name},
                "spec": {"ca": {"secretName": name}},
            }
        )
    world.configure("domain", {DOMAIN: ""})
    kube.wait("Services have a public name", lambda: all(DOMAIN in url for url in urls()), 60)
    yield
    world.configure("domain", {DOMAIN: None})


def urls() -> list[str]:
    """Where each Route says the world finds it."""
    return [route["status"]["url"] for route in kube.items("routes.serving.knative.dev")]


def leaves(issuer: str) -> dict[str, str]:
    """The certificates of one issuer: each Secret and what lies in it."""
    found = [c for c in kube.items("certificate") if c["spec"]["issuerRef"]["name"] == issuer]
    places = [(c["spec"]["secretName"], c["metadata"]["namespace"]) for c in found if not c["spec"].get("isCA")]
    return {f"{space}/{name}": evidence.secret(name, space)["tls.crt"] for name, space in places}


def anchor(name: str) -> x509.Certificate:
    """The CA of one of the two issuers, as its Secret has it now."""
    secret = (kube.get("clusterissuer", name) or {})["spec"]["ca"]["secretName"]
    return evidence.authority(secret)


def answered(figures: traffic.Figures) -> bool:
    """Whether every Service was called and every request answered."""
    assert len(figures.requests) == len(world.WARM)
    assert min(figures.requests.values()) >= 5
    assert not figures.failures, json.dumps(figures.summary(), indent=1)
    return True


def test_cluster_local_alone_gives_every_service_an_https_address() -> None:
    with under_traffic("enable cluster-local alone", traffic.Traffic(traffic.gateway())) as figures:
        kntls("enable", "--cluster-local", "--issuer", INSIDE, "--yes")
    assert [name for name, on in surfaces().items() if on] == ["cluster-local"]
    assert all(url.startswith("https://") for url in addresses())
    assert evidence.leaf(*activator()) is None
    assert answered(figures)


def test_clients_that_trust_its_ca_are_answered_over_tls() -> None:
    ca = evidence.secret(INSIDE, evidence.ISSUERS_NAMESPACE)["tls.crt"]
    with under_traffic("cluster-local alone", traffic.Traffic(traffic.gateway(ca))) as figures:
        kntls("check", "--fail-on", "error")
    assert answered(figures)


def test_cluster_local_alone_goes_off_again() -> None:
    kntls("disable", "--cluster-local", "--yes")
    assert not any(surfaces().values())
    assert all(url.startswith("http://") for url in addresses())


def test_external_domain_alone_gives_every_service_an_https_url() -> None:
    kntls("enable", "--external-domain", "--external-domain-issuer", OUTSIDE, "--yes")
    assert [name for name, on in surfaces().items() if on] == ["external-domain"]
    assert all(url.startswith("https://") for url in urls())
    assert all(url.startswith("http://") for url in addresses())
    public = [url.removeprefix("https://") for url in urls()]
    shown = {name: evidence.leaf(*traffic.entry("kourier", 443), name) for name in public}
    assert all(evidence.signed_by(leaf, anchor(OUTSIDE)) for leaf in shown.values())


def test_system_internal_alone_beside_it_has_an_issuer_of_its_own() -> None:
    with under_traffic("enable system-internal, own issuer", traffic.Traffic(traffic.gateway())) as figures:
        kntls("enable", "--system-internal", "--system-internal-issuer", INSIDE, "--yes")
    assert sorted(name for name, on in surfaces().items() if on) == ["external-domain", "system-internal"]
    assert evidence.signed_by(evidence.leaf(*activator()), anchor(INSIDE))
    assert answered(figures)


def test_another_issuer_for_a_live_surface_is_refused_with_the_way_to_rotate() -> None:
    refused = kntls("enable", "--system-internal", "--system-internal-issuer", OUTSIDE, "--yes", code=4)
    assert "kntls rotate-ca" in refused.err
    assert evidence.issuer() == INSIDE


def test_with_two_cas_a_rotation_wants_to_know_which() -> None:
    refused = kntls("rotate-ca", "--new-secret", "inside2", "--yes", code=4)
    assert "--issuer" in refused.err
    assert not kube.get("secret", "inside2", evidence.ISSUERS_NAMESPACE)


def test_a_rotation_touches_only_its_own_leaves_and_trust() -> None:
    foreign, old = leaves(OUTSIDE), anchor(INSIDE)
    with under_traffic("rotate one of two CAs", traffic.Traffic(traffic.gateway())) as figures:
        kntls("rotate-ca", "--issuer", INSIDE, "--new-secret", "inside2", *pace.short_waits(), "--yes")
    assert leaves(OUTSIDE) == foreign
    assert anchor(INSIDE) == evidence.authority("inside2")
    assert evidence.signed_by(evidence.leaf(*activator()), anchor(INSIDE))
    assert not [place for place, found in evidence.trusted().items() if old in found]
    assert answered(figures)


def test_everything_goes_off_again_and_leaves_no_certificate_behind() -> None:
    kntls("disable", "--system-internal", "--external-domain", "--clean", "--yes")
    assert not any(surfaces().values())
    assert all(url.startswith("http://") for url in urls())
    left = json.dumps([s["metadata"]["name"] for s in kube.items("secret") if s.get("type") == "kubernetes.io/tls"])
    assert "serving-certs" not in left.replace("routing-serving-certs", "")
