from __future__ import annotations

import pytest

from kntls.lab.knative import config


def network(**data: str) -> config.Network:
    return config.network({"data": {key.replace("_", "-"): value for key, value in data.items()}})


@pytest.mark.parametrize("value", ["enabled", "Enabled", "ENABLED"])
def test_the_case_of_a_flag_does_not_matter(value):
    assert network(system_internal_tls=value).system_internal_tls


@pytest.mark.parametrize("value", ["true", "yes", "Enabled "])
def test_an_illegal_flag_is_refused_but_external_domain_tls_is_silently_off(value):
    with pytest.raises(config.BadConfig, match=f'system-internal-tls with value: "{value}" in config-network'):
        network(system_internal_tls=value)
    assert not network(external_domain_tls=value).external_domain_tls


def test_the_legacy_flag_wins_over_an_explicit_disabled():
    assert network(internal_encryption="true", system_internal_tls="Disabled").system_internal_tls


def test_the_new_external_key_hides_the_legacy_one():
    assert network(**{"auto_tls": "enabled"}).external_domain_tls
    assert not network(**{"auto_tls": "enabled", "external_domain_tls": "disabled"}).external_domain_tls


def test_a_selector_that_matches_nothing_turns_the_certificate_controller_on():
    found = network(namespace_wildcard_cert_selector="matchLabels: {no: such}")
    assert found.any_tls
    assert not network().any_tls


def test_a_reference_is_laid_over_the_default_one():
    found = config.issuers(
        {"data": {"systemInternalIssuerRef": "name: mine\nunknown: x\n", "clusterLocalIssuerRef": ""}}
    )
    assert found.for_type("system-internal") == {"kind": "ClusterIssuer", "name": "mine"}
    assert found.for_type("cluster-local-domain") == config.DEFAULT_ISSUER
    assert found.for_type("") == found.external


def test_a_reference_that_is_no_yaml_is_refused_in_gos_words():
    with pytest.raises(config.BadConfig) as refused:
        config.issuers({"data": {"issuerRef": "a: [b"}})
    expected = "error converting YAML to JSON: yaml: line 1: did not find expected ',' or ']'"
    assert str(refused.value) == expected
