"""What workloads really present: their chains, judged against the CA and root an administrator gave."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kntls.errors import InputError
from kntls.mesh.cacerts.material import CaMaterial
from kntls.pki.certificate import Certificate
from kntls.pki.chain import verify
from kntls.pki.pem import certificates

SECRETS = "type.googleapis.com/envoy.admin.v3.SecretsConfigDump"
IDENTITY = re.compile(r"spiffe://[^/]+/ns/[^/]+/sa/[^/]+")
LEAF, TRUST = "default", "ROOTCA"
"""Names of the secrets a sidecar gets from its agent (istio security/pkg/nodeagent/cache)."""


@dataclass(frozen=True)
class Presented:
    """One workload's chain, and the roots it trusts where they are known."""

    workload: str
    chain: tuple[Certificate, ...]
    roots: tuple[Certificate, ...] | None = None


@dataclass(frozen=True)
class ChainVerdict:
    """What is wrong with one workload's chain; nothing is fine."""

    workload: str
    problems: tuple[str, ...]
    identity: str = ""
    signed_by: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def from_s_client(text: str, workload: str) -> Presented:
    """The chain in what `openssl s_client -showcerts` printed. Raises `InputError` if there is none."""
    chain = certificates(text, workload)
    if not chain:
        raise InputError("holds no certificate", where=workload, fix="run openssl s_client with -showcerts")
    # s_client repeats the server's certificate below the chain
    return Presented(workload, tuple(dict.fromkeys(chain)))


def from_config_dump(text: str, workload: str) -> Presented:
    """The chain and roots in an Envoy config dump (`pilot-agent request GET config_dump`). Raises `InputError`."""
    try:
        sections = json.loads(text).get("configs") or []
    except (ValueError, AttributeError):
        raise InputError("is no config dump", where=workload) from None
    secrets = {str(each.get("name")): each.get("secret") or {} for each in _secrets(sections)}
    if LEAF not in secrets:
        raise InputError(f"has no secret {LEAF!r}", where=workload, fix="is it a sidecar with mTLS?")
    chain = _inline(secrets[LEAF], "tls_certificate", "certificate_chain")
    trust = _inline(secrets.get(TRUST, {}), "validation_context", "trusted_ca")
    roots = certificates(trust, f"{workload} {TRUST}") if trust else None
    return Presented(workload, certificates(chain, workload), roots)


def _secrets(sections: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for section in sections:
        if section.get("@type") == SECRETS:
            yield from section.get("dynamic_active_secrets") or ()
            yield from section.get("static_secrets") or ()


def _inline(secret: Mapping[str, Any], *path: str) -> str:
    value: Any = secret
    for key in path:
        value = (value or {}).get(key)
    found = (value or {}).get("inline_bytes") or ""
    return base64.b64decode(found).decode("latin-1") or str((value or {}).get("inline_string") or "")


def judge(presented: Presented, ca: CaMaterial, at: datetime) -> ChainVerdict:
    """Whether a workload's chain comes from this CA and verifies with its roots, and whether it trusts them."""
    if not presented.chain:
        return ChainVerdict(presented.workload, ("presents no certificate",))
    leaf, *rest = presented.chain
    problems = [*_leaf(leaf), *_signer(leaf, rest, ca), *_trust(presented, ca)]
    verdict = verify(leaf, intermediates=(*rest, *ca.chain), roots=ca.roots, at=at, usage="serverAuth")
    if not verdict:
        problems.append(verdict.reason)
    return ChainVerdict(presented.workload, tuple(problems), ", ".join(sorted(leaf.sans.uris)), leaf.issuer)


def _leaf(leaf: Certificate) -> Iterator[str]:
    """The shape of a workload certificate (istio security/pkg/pki/util/san.go, generate_cert.go)."""
    if len(leaf.sans.uris) != 1 or not all(map(IDENTITY.fullmatch, leaf.sans.uris)):
        yield "has not exactly one identity of the form spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT"
    if leaf.is_ca:
        yield "is a CA certificate"
    usage = leaf.extended_key_usage or frozenset()
    missing = {"serverAuth", "clientAuth"} - usage
    if missing:
        yield f"lacks extended key usage {' and '.join(sorted(missing))}"
    if not leaf.subject and not _critical_san(leaf):
        yield "has an empty subject and a SAN that is not critical"


def _critical_san(leaf: Certificate) -> bool:
    from cryptography.x509.oid import ExtensionOID

    extension = leaf.extensions.get(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    return extension is not None and extension.critical


def _signer(leaf: Certificate, rest: Sequence[Certificate], ca: CaMaterial) -> Iterator[str]:
    if ca.signer is None:
        return
    if not leaf.signed_by(ca.signer):
        yield f"is signed by {leaf.issuer}, not by {ca.signer}: restart it"
    elif ca.signer not in rest and ca.signer not in ca.roots:
        yield f"does not send {ca.signer} along"
    for each in rest:
        if each.is_self_signed and each not in ca.roots:
            yield f"sends the root {each}, which is not in root-cert.pem"


def _trust(presented: Presented, ca: CaMaterial) -> Iterator[str]:
    if presented.roots is None:
        return
    missing = [each for each in ca.roots if each not in presented.roots]
    if missing:
        yield f"does not trust {', '.join(map(str, missing))} yet: restart it"
