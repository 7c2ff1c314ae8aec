import pytest
from lint_cases import CASES, ECHO, NOW, NS, STRICT, allow, ap, deny, dr, ksvc, pa, roll, rule, secret, smcp

from kntls.mesh.generate.baseline import baseline
from kntls.mesh.generate.model import Target
from kntls.mesh.generate.tenant import Tenant, tenant
from kntls.mesh.lint import REGISTRY, World, lint
from kntls.mesh.resources import from_objects
from kntls.model.findings import Severity


def found(objects, **settings):
    return lint(World(from_objects(objects), now=NOW, **settings))


def ids(objects, **settings):
    return {finding.id for finding in found(objects, **settings)}


def test_every_rule_has_a_case_and_no_case_lacks_its_rule():
    assert set(CASES) == set(REGISTRY)


@pytest.mark.parametrize("name", CASES)
def test_broken_is_found(name):
    broken, _ = CASES[name]
    hits = [each for each in found(broken) if each.id == name]
    assert hits
    assert all(each.reason and each.fix and each.object for each in hits)


@pytest.mark.parametrize("name", CASES)
def test_repaired_is_quiet(name):
    _, repaired = CASES[name]
    assert name not in ids(repaired)


LOOSE = pa("istio-system/default", "PERMISSIVE")


def test_a_bypass_by_plaintext_is_an_error_and_a_mere_mismatch_a_warning():
    (mild,) = [each for each in found([ap("foo/p", allow(rule(source=NS))), LOOSE]) if each.id == "MESH-AUTHZ-006"]
    (grave,) = [each for each in found([ap("foo/p", deny(rule(source=NS))), LOOSE]) if each.id == "MESH-AUTHZ-006"]
    assert (mild.severity, grave.severity) == (Severity.WARNING, Severity.ERROR)
    assert "slips through" in grave.reason


def test_where_nothing_tells_the_mtls_mode_harmless_identity_fields_are_one_note():
    policies = [ap(f"foo/{name}", allow(rule(source=NS))) for name in "abc"]
    (note,) = [each for each in found(policies) if each.id == "MESH-AUTHZ-006"]
    assert note.severity is Severity.INFO
    assert "(and 2 more)" in note.reason
    (grave,) = [each for each in found([ap("foo/p", deny(rule(source=NS)))]) if each.id == "MESH-AUTHZ-006"]
    assert grave.severity is Severity.ERROR
    assert {each.severity for each in found(policies, live=True)} == {Severity.WARNING}


def test_rules_of_one_policy_with_one_fault_are_one_finding():
    policy = ap("foo/p", allow(rule(source=NS), rule(), rule(source={"principals": ["a"]})))
    (hit,) = [each for each in found([policy, LOOSE]) if each.id == "MESH-AUTHZ-006"]
    assert "rule 0, 2 uses namespaces, principals" in hit.reason


def test_one_permissive_port_is_enough_for_an_identity_field():
    loose = pa("foo/web", "STRICT", {"app": "web"}, {"8080": "PERMISSIVE"})
    policy = ap("foo/p", allow(rule(source=NS), app="web"))
    assert "MESH-AUTHZ-006" in ids([STRICT, loose, policy])
    limited = ap("foo/p", allow(rule(source=NS, to={"ports": ["9090"]}), app="web"))
    assert "MESH-AUTHZ-006" not in ids([STRICT, loose, limited])


def test_a_port_that_is_open_to_anybody_asks_for_no_identity():
    loose = pa("foo/drain", None, {"app": "web"}, {"8022": "PERMISSIVE"})
    policies = [ap("foo/p", allow(rule(source=NS))), ap("foo/drain", allow(rule(to={"ports": ["8022"]})))]
    assert "MESH-AUTHZ-006" in ids([STRICT, loose, policies[0]])
    assert "MESH-AUTHZ-006" not in ids([STRICT, loose, *policies])
    elsewhere = ap("foo/drain", allow(rule(to={"ports": ["8022"]}), app="other"))
    assert "MESH-AUTHZ-006" in ids([STRICT, loose, policies[0], elsewhere])


def test_service_accounts_and_trust_domains_need_mtls_too():
    for source in ({"serviceAccounts": ["a/b"]}, {"trustDomains": ["td"]}):
        assert "MESH-AUTHZ-006" in ids([ap("foo/p", allow(rule(source=source)))])


def test_a_deny_limited_by_a_trust_domain_still_widens_on_tcp_but_says_what_is_left():
    policy = ap("foo/p", deny(rule(source={"trustDomains": ["td"]}, to={"methods": ["GET"]})))
    (hit,) = [each for each in found([policy]) if each.id == "MESH-AUTHZ-003"]
    assert "matches trustDomains" in hit.reason


def test_a_known_tcp_port_makes_the_widening_an_error():
    policy = ap("foo/p", deny(rule(to={"methods": ["GET"]}), app="echo"))
    (hit,) = [each for each in found([*ECHO, policy]) if each.id == "MESH-AUTHZ-003"]
    assert hit.severity is Severity.ERROR
    assert "9000" in hit.reason


def test_keys_are_judged_in_files_only_and_never_shown():
    objects = CASES["MESH-KEY-001"][0]
    assert "MESH-KEY-001" not in ids(objects, live=True)
    assert not any("BEGIN" in each.reason or "BEGIN" in str(each) for each in found(objects))


def test_an_smcp_implies_its_mtls_for_every_rule_that_asks():
    policy = ap("foo/p", allow(rule(source=NS)))
    assert "MESH-AUTHZ-006" not in ids([smcp(dataPlane={"mtls": True}), policy])
    assert "MESH-AUTHZ-006" in ids([smcp(dataPlane={"mtls": False}), policy])


def generated(**settings):
    return (*baseline(Target()).objects, *tenant(Tenant("t", ("t-1", "t-2"), **settings), Target()).objects)


def test_what_generate_prints_for_a_strict_mesh_is_clean():
    assert found([*generated(harden=True), STRICT]) == ()
    assert ids([*generated(), STRICT]) == {"MESH-AUTHZ-010"}


def test_what_generate_prints_is_clean_without_the_mesh_as_well_but_for_one_note():
    (note,) = found(generated(harden=True))
    assert (note.id, note.severity) == ("MESH-AUTHZ-006", Severity.INFO)


def test_a_host_without_its_port_is_no_matter_at_knatives_own_components():
    hosts = allow(rule(to={"hosts": ["*.a"]}), app="activator")
    assert "MESH-AUTHZ-008" in ids([ap("foo/p", hosts)])
    assert "MESH-AUTHZ-008" not in ids([ap("knative-serving/p", hosts)])
    assert "MESH-AUTHZ-008" in ids([ap("knative-serving/p", {**hosts, "action": "DENY"})])


def test_the_rule_for_the_api_server_that_an_smcp_makes_is_no_conflict():
    assert "MESH-MTLS-001" not in ids([smcp(dataPlane={"mtls": True})])


def test_a_rule_for_a_namespace_outside_the_mesh_is_no_conflict():
    plain = dr("old/db", "db.old.svc.cluster.local", "DISABLE")
    assert "MESH-MTLS-001" in ids([STRICT, plain])
    assert "MESH-MTLS-001" not in ids([STRICT, plain, roll("team-1")])


def test_a_broken_certificate_breaks_no_rule():
    broken = secret("a/s", tls_crt=b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert not {"MESH-KEY-002", "MESH-KEY-003"} & ids([broken])


def test_a_workload_that_asks_for_a_sidecar_makes_its_namespace_a_tenants():
    assert "MESH-MEMBER-002" in ids([roll("knative-serving", "knative-eventing"), ksvc("team/web")])
    assert "MESH-MEMBER-002" not in ids([roll("team"), ksvc("team/web")])


def test_a_method_of_webdav_is_one():
    assert "MESH-AUTHZ-013" not in ids([ap("foo/p", allow(rule(to={"methods": ["PROPFIND"]})))])


def test_without_a_member_roll_in_the_files_nobody_is_missing_from_it():
    objects = [smcp(dataPlane={"mtls": True}), ksvc("team/web")]
    assert "MESH-MEMBER-002" not in ids(objects)
    assert "MESH-MEMBER-002" in ids(objects, live=True)


def test_a_negated_field_is_named_as_it_is_written():
    policy = ap("foo/p", deny(rule(source={"notRequestPrincipals": ["*"], "notNamespaces": ["a"]})))
    reasons = {each.id: each.reason for each in found([policy])}
    assert "uses notRequestPrincipals" in reasons["MESH-AUTHZ-003"]
    assert "matches notNamespaces" in reasons["MESH-AUTHZ-003"]
