"""The reference of all rules as Markdown: `python -m kntls.mesh.lint.reference > docs/mesh-lint.md`."""

from __future__ import annotations

import sys
from itertools import groupby

from kntls.mesh.cacerts.checks import RULES, CaRule
from kntls.mesh.lint import REGISTRY, Rule

TOPICS = {
    "AUTHZ": "AuthorizationPolicies",
    "MTLS": "PeerAuthentications and DestinationRules",
    "JWT": "JSON Web Tokens",
    "GW": "Gateways",
    "KEY": "Secrets and certificates",
    "CP": "Control planes",
    "MEMBER": "Who is in the mesh",
    "CA": "Plug-in CAs (`kntls mesh cacerts validate`)",
    "MIG": "From OpenShift Service Mesh 2 to 3",
}
"""The middle part of an ID → the heading of its rules."""

HEAD = """# Rules of `kntls mesh lint`

    kntls mesh lint -f manifests/samples/mesh                      # files or directories; without -f the cluster
    kntls mesh lint -f manifests/samples/mesh -o sarif             # also short, junit, json, yaml, name
    kntls mesh lint -f manifests/samples/mesh --rule MESH-MTLS-004 --fail-on warning

It ends with exit code 1 if an error was found (`--fail-on` moves the bar). Some findings are milder or graver than
their rule where the input tells more, for example when a Service says that a port is TCP. Files are judged by what
they hold: add Services, Deployments (or Pods), Namespaces and the control plane, and more is found.
"""


def _topic(rule: Rule | CaRule) -> str:
    return TOPICS[rule.id.split("-")[1]]


def _entry(rule: Rule | CaRule) -> str:
    head = f'### <a id="{rule.anchor}"></a>{rule.id}: {rule.title}'
    return f"{head}\n\nSeverity: {rule.severity}. {rule.why}\n\nFix: {rule.fix}.\n"


def markdown() -> str:
    """The whole page; every rule has one anchor, its ID in lower case."""
    parts = [HEAD]
    every: tuple[Rule | CaRule, ...] = (*REGISTRY.values(), *RULES.values())
    for topic, rules in groupby(every, _topic):
        parts += [f"## {topic}\n", *map(_entry, rules)]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(markdown())
