from datetime import timedelta

import pytest

from kntls.errors import Refused
from kntls.mesh.generate.baseline import baseline
from kntls.mesh.generate.model import Flavour, Target
from kntls.mesh.plans import apply_plan, kinds_of, reference, tls_secret
from kntls.model.kinds import SECRET
from kntls.model.objects import ObjectRef
from kntls.model.observation import Observation
from kntls.observe.slim import slim
from kntls.pki.create import issue, new_ca
from kntls.report.plans import render
from kntls.report.text import Paint

CA = new_ca("wildcard CA", lifetime=timedelta(days=9))
LEAF = issue(CA, dns=("*.apps.example.com",), lifetime=timedelta(days=1))
REF = ObjectRef(SECRET, "wildcard-certs", "istio-system")


def observation(*objects):
    kinds = {}
    for each in objects:
        kinds.setdefault(reference(each).kind, []).append(slim(reference(each).kind, each))
    return Observation("test", CA.certificate.not_before, {kind: tuple(items) for kind, items in kinds.items()})


def test_an_object_that_is_as_wanted_is_done_and_one_that_differs_is_not():
    objects = baseline(Target()).objects
    plan = apply_plan("x", objects)
    assert all(action.done(observation(*objects)).complete for action in plan.actions)
    assert not any(action.done(observation()).complete for action in plan.actions)
    changed = {**objects[2], "spec": {**objects[2]["spec"], "action": "DENY"}}
    assert not plan.actions[2].done(observation(changed)).complete


def test_fields_that_others_added_do_not_matter():
    (wanted, *_) = baseline(Target()).objects
    found = {**wanted, "metadata": {**wanted["metadata"], "uid": "1", "labels": {"a": "b"}}, "status": {}}
    assert apply_plan("x", [wanted]).actions[0].done(observation(found)).complete


def test_an_older_mesh_is_read_in_its_own_version():
    plan = apply_plan("x", baseline(Target(Flavour.OSSM2)).objects)
    assert {kind.api_version for kind in kinds_of(plan)} == {"security.istio.io/v1beta1"}


def test_a_tls_secret_is_written_without_being_shown():
    action = tls_secret(REF, LEAF.chain_pem(), LEAF.key_pem())
    (change,) = action.changes(observation())
    assert "".join(iter(change.body["stringData"]["tls.key"])) == LEAF.key_pem()
    text = render(apply_plan("x", [], more=[action]), observation(), Paint(False))
    assert "PRIVATE" not in text
    assert LEAF.key_pem().splitlines()[1] not in text
    there = {**change.body, "stringData": {"tls.crt": LEAF.chain_pem(), "tls.key": LEAF.key_pem()}}
    assert action.done(observation(there)).complete
    assert not action.done(observation()).complete


def test_a_key_of_another_certificate_is_refused():
    with pytest.raises(Refused, match="does not belong"):
        tls_secret(REF, LEAF.chain_pem(), CA.key_pem())
