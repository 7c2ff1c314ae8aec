"""One cause, one finding: what follows from it is shown beneath it, whatever else the registry's own breakage makes."""

from __future__ import annotations

from kntls.checks import CHECKS
from kntls.checks.facts import Facts
from kntls.checks.run import run
from kntls.model import kinds as k
from kntls.pki.create import KeyPair
from tests.checks.breakages import _unreconciled
from tests.world import CA, LOCAL, OPERATOR, RESOURCES, World, ca, condition, healthy, leaf, tls_secret

TEAM_A = ("kn-user-team-a", "data-plane.knative.dev")


def roots(world: World) -> set[str]:
    """The checks with a finding that nothing else explains."""
    return {result.check.id for result in run(world.observation(), CHECKS.values()).results if result.roots}


def unissued(world: World, namespace: str) -> None:
    """A namespace whose certificate cert-manager has not made."""
    world.drop(k.SECRET, "serving-certs", namespace)
    never = [condition("Ready", "False", "DoesNotExist")]
    for kind in (k.KCERT, k.CERTIFICATE):
        world.get(kind, "serving-certs", namespace)["status"] = {"conditions": never}
    message = f"secret {namespace}/serving-certs is not ready yet"
    waiting = [condition("Ready", "Unknown", "Deploying", message=message)]
    world.get(k.REVISION, "hello-00001", namespace)["status"] = {"conditions": waiting}
    world.drop(k.POD, "hello-00001-deployment-0", namespace)


def test_while_cert_manager_is_down_a_new_namespace_waits() -> None:
    world = healthy()
    world.get(k.DEPLOYMENT, "cert-manager", RESOURCES)["spec"]["replicas"] = 0
    unissued(world, "team-a")
    assert roots(world) == {"KN-CM-002"}


def test_cert_manager_that_is_gone_takes_everything_along() -> None:
    world = healthy()
    for name in ("cert-manager", "cert-manager-webhook"):
        world.drop(k.DEPLOYMENT, name, RESOURCES)
    for kind in (k.CRD, k.CLUSTER_ISSUER, k.CERTIFICATE):
        world.objects[kind].clear()
    assert roots(world) == {"KN-CM-001"}


def test_definitions_that_are_gone_take_their_objects_along() -> None:
    world = healthy()
    for kind in (k.CRD, k.CLUSTER_ISSUER, k.CERTIFICATE):
        world.objects[kind].clear()
    assert roots(world) == {"KN-CM-004"}


def test_a_controller_that_was_not_restarted_explains_the_activator_and_the_logs() -> None:
    world = healthy()
    _unreconciled(world)
    for tenant in ("team-a", "team-b"):
        world.put(k.LOG, "hello-00001-deployment-0", tenant, text="Starting http server main :8012")
    assert roots(world) == {"KN-RESTART-001"}


def test_the_activator_is_to_wait_for_the_certificate_it_ends_without() -> None:
    world = healthy()
    world.shows["activator"] = "connection refused"
    problem = next(iter(CHECKS["KN-RESTART-002"].judge(Facts(world.observation()))))
    assert "#" not in problem.fix
    world.drop(k.SECRET, "routing-serving-certs", world.serving)
    problem = next(iter(CHECKS["KN-RESTART-002"].judge(Facts(world.observation()))))
    assert "# once Secret routing-serving-certs is there" in problem.fix


def test_a_ca_nobody_trusts_explains_the_leaves_it_signed() -> None:
    world = healthy()
    world.add_ca("ca2")
    world.switch("ca2")
    world.sign("serving-certs", "team-a", ca("ca2"))
    assert roots(world) == {"KN-TRUST-020"}


def test_an_operator_that_is_not_ready_for_a_component_says_nothing_new() -> None:
    world = healthy(OPERATOR)
    world.get(k.DEPLOYMENT, "webhook", world.serving)["spec"]["replicas"] = 0
    status = world.get(k.KNATIVE_SERVING, "knative-serving", world.serving)["status"]
    status["conditions"] = [condition("Ready", "False", message="waiting for deployments")]
    assert roots(world) == {"KN-SERVE-009"}


def test_certificates_that_are_not_issued_take_the_gateways_listener_along() -> None:
    world = healthy(surfaces=(LOCAL,))
    never = [condition("Ready", "False", "DoesNotExist")]
    for kind in (k.KCERT, k.CERTIFICATE):
        for (_, name), obj in world.objects[kind].items():
            if name.startswith("route-"):
                obj["status"]["conditions"] = never
    world.shows["gateway"] = "connection refused"
    world.config("config-certmanager")["clusterLocalIssuerRef"] = "name: gone"
    for obj in world.objects[k.CERTIFICATE].values():
        obj["spec"]["issuerRef"]["name"] = "gone"
    assert roots(world) == {"KN-ISSUER-001"}


def test_a_ca_that_cannot_sign_need_not_be_trusted() -> None:
    for pair in (_swapped(ca("other")), leaf(TEAM_A, ca())):
        world = healthy()
        world.put_secret(tls_secret(CA, RESOURCES, pair, pair, labels={"controller.cert-manager.io/fao": "true"}))
        found = roots(world)
        assert found & {"KN-ISSUER-007", "KN-ISSUER-008"}
        assert "KN-TRUST-020" not in found


def _swapped(pair: KeyPair) -> KeyPair:
    return KeyPair(pair.certificate, ca("third").private_key)
