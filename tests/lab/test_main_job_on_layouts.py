"""Enable, rotate, roll back, disable under traffic where an operator owns the configuration."""

from __future__ import annotations

import pytest

from tests.e2e import test_main_job as story
from tests.lab.on_lab import cluster  # noqa: F401 - a fixture

pytestmark = [pytest.mark.timeout(120), pytest.mark.nightly]

tenants, unrelated = story.tenants, story.unrelated


@pytest.fixture(scope="module", params=["operator", "openshift"])
def layout(request: pytest.FixtureRequest) -> str:
    """The Knative operator, and OpenShift Serverless with Kourier in a namespace of its own."""
    return str(request.param)


test_enable_loses_no_request = story.test_enable_loses_no_request
test_trust_is_published_to_a_tenant = story.test_trust_is_published_to_a_tenant
test_an_unrelated_ca_is_added_to_the_bundle = story.test_an_unrelated_ca_is_added_to_the_bundle
test_a_rotation_loses_no_request = story.test_a_rotation_loses_no_request
test_a_switched_issuer_is_rolled_back_without_a_lost_request = (
    story.test_a_switched_issuer_is_rolled_back_without_a_lost_request
)
test_disable_loses_no_request = story.test_disable_loses_no_request
