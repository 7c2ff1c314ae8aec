"""The chains of rules that decide whether a Certificate must be issued again, and whether it is Ready.

Order, reasons and messages follow cert-manager's internal/controller/certificates/policies; the first violation wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509

from kntls.lab import x509 as pki
from kntls.lab.certmanager import spec as specs
from kntls.lab.objects import Object, name_of
from kntls.lab.reading import annotations_of, data_of


@dataclass(frozen=True)
class Input:
    """Everything the rules look at."""

    certificate: Object
    secret: Object | None
    request: Object | None
    """The CertificateRequest of the current revision, if it still exists."""
    now: datetime

    @property
    def spec(self) -> Mapping[str, Any]:
        """The Certificate's spec."""
        return self.certificate["spec"]  # type: ignore[no-any-return]

    @property
    def data(self) -> dict[str, bytes]:
        """The Secret's decoded data."""
        return data_of(self.secret)

    def leaf(self) -> x509.Certificate:
        """The first certificate of `tls.crt`."""
        return pki.load_chain(self.data["tls.crt"])[0]

    def ref_text(self) -> str:
        """`ClusterIssuer.cert-manager.io name`, for messages."""
        name, kind, group = specs.issuer_ref(self.spec)
        return f"{kind}.{group} {name}"


Violation = tuple[str, str]
Rule = Callable[[Input], Violation | None]


def secret_does_not_exist(given: Input) -> Violation | None:
    """1: the target Secret is absent."""
    if given.secret is not None:
        return None
    return "DoesNotExist", "Issuing certificate as Secret does not exist"


def secret_is_missing_data(given: Input) -> Violation | None:
    """2: no data, no key or no certificate in it."""
    if not given.data:
        return "MissingData", "Issuing certificate as Secret does not contain any data"
    if not given.data.get("tls.key"):
        return "MissingData", "Issuing certificate as Secret does not contain a private key"
    if not given.data.get("tls.crt"):
        return "MissingData", "Issuing certificate as Secret does not contain a certificate"
    return None


def secret_public_keys_differ(given: Input) -> Violation | None:
    """3: key or certificate unreadable, or not a pair."""
    try:
        key = pki.load_key(given.data["tls.key"])
    except pki.BadMaterial as error:
        return "InvalidKeyPair", f"Issuing certificate as Secret contains an invalid key-pair: {error}"
    try:
        leaf = given.leaf()
    except pki.BadMaterial as error:
        return "InvalidCertificate", f"Issuing certificate as Secret contains an invalid certificate: {error}"
    if pki.public_bytes(key) != pki.public_bytes(leaf):
        return (
            "InvalidKeyPair",
            "Issuing certificate as Secret contains an invalid key-pair: tls: private key does not match public key",
        )
    return None


def secret_issuer_mismatch(given: Input) -> Violation | None:
    """4: the Secret's issuer annotations name another issuer."""
    found = annotations_of(given.secret)
    name, kind, group = specs.issuer_ref(given.spec)
    stored = (
        found.get("cert-manager.io/issuer-name", ""),
        found.get("cert-manager.io/issuer-kind") or "Issuer",
        found.get("cert-manager.io/issuer-group") or "cert-manager.io",
    )
    if not stored[0] and kind == "Issuer" and group == "cert-manager.io" and "cert-manager.io/issuer-name" not in found:
        return None
    if stored == (name, kind, group):
        return None
    return "IncorrectIssuer", f'Issuing certificate as Secret was previously issued by "{_issuer_text(*stored)}"'


def _issuer_text(name: str, kind: str, group: str) -> str:
    return f"{kind}.{group}/{name}"


def secret_certificate_mismatch(given: Input) -> Violation | None:
    """5: the Secret was issued for another Certificate."""
    found = annotations_of(given.secret).get("cert-manager.io/certificate-name")
    if found is None or found == name_of(given.certificate):
        return None
    text = (
        f'Secret was issued for "{found}". If this message is not transient, you might have two conflicting '
        "Certificates pointing to the same secret."
    )
    return "IncorrectCertificate", text


def key_mismatches_spec(given: Input) -> Violation | None:
    """6: another algorithm or size than the spec asks for."""
    algorithm, size, _ = specs.private_key(given.spec)
    if pki.key_matches_spec(pki.load_key(given.data["tls.key"]), algorithm, size):
        return None
    field = "spec.privateKey.algorithm"
    return "SecretMismatch", f"Existing private key is not up to date for spec: [{field}]"


def key_differs_from_request(given: Input) -> Violation | None:
    """7: the Secret's key is not the one the current revision's request was made with."""
    if given.request is None:
        return None
    try:
        request = pki.load_request(request_pem(given.request))
    except pki.BadMaterial:
        return "InvalidCertificateRequest", "Failed to decode current CertificateRequest.spec.request"
    if pki.public_bytes(request) == pki.public_bytes(pki.load_key(given.data["tls.key"])):
        return None
    return "SecretMismatch", "Secret contains a private key that does not match the current CertificateRequest"


def request_mismatches_spec(given: Input) -> Violation | None:
    """8: the current request (or, without one, the certificate) no longer says what the spec says."""
    if given.request is not None:
        changed = changed_fields(given.spec, given.request)
        text = " ".join(changed)
        return (
            ("RequestChanged", f"Fields on existing CertificateRequest resource not up to date: [{text}]")
            if changed
            else None
        )
    changed = _fuzzy_changes(specs.names(given.spec), given.leaf())
    text = " ".join(changed)
    return ("SecretMismatch", f"Existing issued Secret is not up to date for spec: [{text}]") if changed else None


def changed_fields(spec: Mapping[str, Any], request: Object) -> list[str]:
    """The Certificate fields that an existing CertificateRequest does not reflect (pki/match.go)."""
    csr = pki.load_request(request_pem(request))
    want, have = specs.names(spec), names_in(csr)
    changed = [f"spec.{label}" for label, a, b in _name_pairs(want, have) if a != b]
    if want.name() != csr.subject and "spec.commonName" not in changed:
        changed.append("spec.subject")
    asked = request["spec"]
    if bool(spec.get("isCA")) != bool(asked.get("isCA")):
        changed.append("spec.isCA")
    if set(specs.usages(spec)) != set(specs.usages(asked)):
        changed.append("spec.usages")
    if spec.get("duration") and asked.get("duration") and specs.duration(spec) != specs.duration(asked):
        changed.append("spec.duration")
    if specs.issuer_ref(spec) != specs.issuer_ref(asked):
        changed.append("spec.issuerRef")
    return changed


def _name_pairs(want: pki.Names, have: pki.Names) -> list[tuple[str, object, object]]:
    return [
        ("commonName", want.common_name, have.common_name),
        ("dnsNames", set(want.dns), set(have.dns)),
        ("ipAddresses", set(want.ips), set(have.ips)),
        ("uris", set(want.uris), set(have.uris)),
        ("emailAddresses", set(want.emails), set(have.emails)),
    ]


def names_in(holder: x509.Certificate | x509.CertificateSigningRequest) -> pki.Names:
    """The common name and alternative names of a certificate or request."""
    try:
        san = holder.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        san = x509.SubjectAlternativeName([])
    return pki.Names(
        common_name=pki.common_name(holder),
        dns=tuple(san.get_values_for_type(x509.DNSName)),
        ips=tuple(str(one) for one in san.get_values_for_type(x509.IPAddress)),
        uris=tuple(san.get_values_for_type(x509.UniformResourceIdentifier)),
        emails=tuple(san.get_values_for_type(x509.RFC822Name)),
    )


def _fuzzy_changes(want: pki.Names, leaf: x509.Certificate) -> list[str]:
    have = names_in(leaf)
    changed = [f"spec.{label}" for label, a, b in _name_pairs(want, have) if a != b and label != "commonName"]
    if want.common_name and want.common_name != have.common_name and want.common_name not in have.dns:
        changed.insert(0, "spec.commonName")
    return changed


def nearing_expiry(given: Input) -> Violation | None:
    """9: the renewal time has come."""
    leaf = given.leaf()
    renew = renewal_time(given.spec, leaf.not_valid_before_utc, leaf.not_valid_after_utc)
    if renew is None or given.now < renew:
        return None
    return "Renewing", f"Renewing certificate as renewal was scheduled at {renew:%Y-%m-%d %H:%M:%S} +0000 UTC"


def expired(given: Input) -> Violation | None:
    """Readiness only: the certificate is past its end."""
    end = given.leaf().not_valid_after_utc
    return ("Expired", f"Certificate expired on {end:%A, %d %b %Y %H:%M:%S UTC}") if given.now > end else None


def renewal_time(spec: Mapping[str, Any], start: datetime, end: datetime) -> datetime | None:
    """When cert-manager renews: `renewBefore` ahead of the end, by default a third of the lifetime.

    None if `spec.renewal` disables it.
    """
    if (spec.get("renewal") or {}).get("policy") == "Disabled":
        return None
    lifetime = end - start
    before = lifetime / 3
    if spec.get("renewBefore"):
        asked = specs.parse_duration(spec["renewBefore"])
        before = asked if asked < lifetime else before
    elif spec.get("renewBeforePercentage"):
        before = lifetime * int(spec["renewBeforePercentage"]) / 100
    return (end - before).replace(microsecond=0)


def request_pem(request: Object) -> bytes:
    """`spec.request` decoded."""
    return data_of({"data": {"request": request["spec"].get("request", "")}})["request"]


COMMON: tuple[Rule, ...] = (
    secret_does_not_exist,
    secret_is_missing_data,
    secret_public_keys_differ,
    secret_issuer_mismatch,
    secret_certificate_mismatch,
    key_mismatches_spec,
    key_differs_from_request,
    request_mismatches_spec,
)
TRIGGER: tuple[Rule, ...] = (*COMMON, nearing_expiry)
READINESS: tuple[Rule, ...] = (*COMMON, expired)


def violation(rules: tuple[Rule, ...], given: Input) -> Violation | None:
    """The first rule's complaint, as (reason, message), None if all hold."""
    return next((found for rule in rules if (found := rule(given)) is not None), None)


def back_off(certificate: Object, last_failure: datetime, now: datetime) -> timedelta:
    """How long the trigger still has to wait after failures: 1 h, 2 h, 4 h … at most 32 h after the last one."""
    attempts = int((certificate.get("status") or {}).get("failedIssuanceAttempts") or 1)
    wait = timedelta(hours=min(2 ** (attempts - 1), 32))
    return max(last_failure + wait - now, timedelta())
