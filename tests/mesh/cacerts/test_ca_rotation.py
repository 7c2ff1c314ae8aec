from dataclasses import replace
from datetime import timedelta

import pytest
from cacerts_world import NOW, ca, read

from kntls.mesh.cacerts.create import files
from kntls.mesh.cacerts.rotation import Step, next_step, objections
from kntls.pki.create import issue

OLD, NEW = read(ca("old")[2]), read(ca("new")[2])


def follow(step, current):
    """The Secret that a step leads to."""
    base = NEW if step.step is Step.SIGN else current
    return replace(base, roots=step.roots)


def test_a_rotation_takes_three_steps_each_allowed_by_istiod_and_ends():
    current, steps = OLD, []
    while (step := next_step(current, NEW)).step is not Step.DONE:
        proposed = follow(step, current)
        assert objections(current, proposed, multi_root=True) == ()
        current = proposed
        steps.append(step.step)
    assert steps == [Step.TRUST, Step.SIGN, Step.RETIRE]
    assert (current.signer, current.roots) == (NEW.signer, NEW.roots)


def test_every_step_says_what_must_hold_before_and_what_is_owed_after():
    step = next_step(OLD, NEW)
    assert "ISTIO_MULTIROOT_MESH" in step.before[0]
    assert step.after == ("restart istiod", "restart the gateways", "restart the workloads")


def test_a_new_ca_under_the_same_root_needs_no_new_trust():
    root, _, texts = ca("same")
    other = issue(root, common_name="ca b", lifetime=timedelta(days=9), is_ca=True, path_length=0, at=NOW)
    assert next_step(read(texts), read(files(root, other))).step is Step.SIGN
    assert objections(read(texts), read(files(root, other)), multi_root=False) == ()


def test_a_hot_swap_of_roots_is_refused():
    found = objections(OLD, NEW, multi_root=True)
    assert any("neither set contains the other" in each for each in found)
    assert any("do not trust the new CA's root" in each for each in found)


@pytest.mark.parametrize("skipped", ["sign", "retire"])
def test_no_step_can_be_skipped(skipped):
    both = replace(OLD, roots=(*OLD.roots, *NEW.roots))
    if skipped == "sign":
        jump = replace(NEW, roots=NEW.roots)
        assert any(
            "dropped in the step that changes the CA" in each for each in objections(both, jump, multi_root=True)
        )
    else:
        early = replace(NEW, roots=both.roots)
        assert any("do not trust" in each for each in objections(OLD, early, multi_root=True))


def test_root_changes_need_the_multi_root_setting():
    both = replace(OLD, roots=(*OLD.roots, *NEW.roots))
    assert any("ISTIO_MULTIROOT_MESH" in each for each in objections(OLD, both, multi_root=False))
    assert objections(OLD, both, multi_root=True) == ()


def test_going_back_is_allowed_at_every_point():
    both = replace(OLD, roots=(*OLD.roots, *NEW.roots))
    signing = replace(NEW, roots=both.roots)
    assert objections(both, OLD, multi_root=True) == ()
    assert objections(signing, both, multi_root=True) == ()


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_old_ca_given_as_the_new_one_leads_back_from_every_point(steps):
    current = OLD
    for _ in range(steps):
        current = follow(next_step(current, NEW), current)
    for _ in range(4):
        step = next_step(current, OLD)
        if step.step is Step.DONE:
            break
        base = OLD if step.step is Step.SIGN else current
        proposed = replace(base, roots=step.roots)
        assert objections(current, proposed, multi_root=True) == ()
        current = proposed
    assert (current.signer, current.roots) == (OLD.signer, OLD.roots)
