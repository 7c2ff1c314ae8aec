"""What every sidecar presents and trusts, asked of its own Envoy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kntls.cluster.exec import Executor
from kntls.errors import KntlsError
from kntls.mesh.cacerts.chains import Presented, from_config_dump
from kntls.mesh.inventory import PROXY, Member
from kntls.model.observation import Unread

DUMP = ("pilot-agent", "request", "GET", "config_dump?resource=dynamic_active_secrets")
"""Envoy's own view of its certificates; private keys are redacted there (envoy admin /config_dump)."""


def collect(members: Iterable[Member], execute: Executor) -> Iterator[Presented | Unread]:
    """The chain of every running pod with a sidecar, or why it could not be read."""
    for member in members:
        if member.found.kind != "Pod" or not member.sidecar:
            continue
        try:
            answer = execute(member.namespace, member.name, PROXY, DUMP)
            if answer.exit_code:
                yield Unread(str(member), f"pilot-agent ended with {answer.exit_code}")
                continue
            yield from_config_dump(_as_dump(answer.stdout), str(member))
        except KntlsError as error:
            yield Unread(str(member), error.what)


def _as_dump(text: str) -> str:
    """With `resource=` Envoy lists the secrets themselves, without a section around them: put one around."""
    import json

    from kntls.mesh.cacerts.chains import SECRETS

    try:
        configs = json.loads(text).get("configs") or []
    except (ValueError, AttributeError):
        return text
    if any(each.get("@type") == SECRETS for each in configs):
        return text
    return json.dumps({"configs": [{"@type": SECRETS, "dynamic_active_secrets": configs}]})
