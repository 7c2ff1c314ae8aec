from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kntls.lab.workloads.deployments import rollout, share


@given(st.integers(1, 12), st.sampled_from(["25%", "100%", 1, 0]), st.sampled_from(["25%", 0, 1]))
def test_a_rollout_ends_and_never_falls_below_what_must_be_available(replicas, surge, unavailable):
    up, down = share(surge, replicas, up=True), share(unavailable, replicas, up=False)
    old, new = replicas, 0
    for _ in range(4 * replicas + 4):
        new, (old,) = rollout(replicas, up, down, new, [(old, old)], new)
        assert old + new >= replicas - down
        assert old + new <= replicas + max(up, 1)
    assert (new, old) == (replicas, 0)


def test_percentages_round_up_for_a_surge_and_down_for_the_unavailable():
    assert share("25%", 1, up=True) == 1
    assert share("25%", 1, up=False) == 0
    assert share(None, 4, up=True) == 1
