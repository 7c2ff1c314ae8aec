"""What of an SMCP gets lost, or must be said elsewhere, when OSSM 2 becomes OSSM 3."""

from __future__ import annotations

from collections.abc import Iterator

from kntls.mesh.control import get
from kntls.mesh.lint.model import Hit, World, rule
from kntls.mesh.lint.rules.control_plane import smcps
from kntls.mesh.tls_values import CIPHERS, ISTIO_VERSIONS
from kntls.model.findings import Severity


@rule("MESH-MIG-001", Severity.INFO, "OSSM 3 has no maximum TLS version", fix="nothing to do: the maximum is TLS 1.3")
def maximum(world: World) -> Iterator[Hit]:
    """Istio's maximum is always TLS 1.3; a lower one cannot be kept."""
    for plane, tls in smcps(world):
        if tls.get("maxProtocolVersion") not in (None, "", "TLS_AUTO", "TLSv1_3"):
            yield Hit(plane, f"maxProtocolVersion {tls['maxProtocolVersion']} cannot be carried over")


@rule(
    "MESH-MIG-002",
    Severity.INFO,
    "OSSM 3 has no TLS below 1.2",
    fix="raise minProtocolVersion to TLSv1_2 and see who breaks first",
)
def minimum(world: World) -> Iterator[Hit]:
    """meshMTLS knows TLSV1_2 and TLSV1_3 only."""
    for plane, tls in smcps(world):
        version = tls.get("minProtocolVersion")
        if version in ("TLSv1_0", "TLSv1_1") and version not in ISTIO_VERSIONS:
            yield Hit(plane, f"minProtocolVersion {version} cannot be carried over")


@rule("MESH-MIG-003", Severity.INFO, "Cipher suites OSSM 3 does not accept", fix="drop them")
def ciphers(world: World) -> Iterator[Hit]:
    """Four of the SMCP's suites are unknown to Istio; the others change their names."""
    for plane, tls in smcps(world):
        suites = tls.get("cipherSuites")
        lost = (
            [name for name in suites if name in CIPHERS and not CIPHERS[name].istio] if isinstance(suites, list) else []
        )
        if lost:
            yield Hit(plane, f"cipherSuites: {', '.join(lost)}")


@rule(
    "MESH-MIG-004",
    Severity.INFO,
    "OSSM 3 ignores curves between workloads",
    fix="put them into meshConfig.tlsDefaults for gateways",
)
def curves(world: World) -> Iterator[Hit]:
    """An SMCP's curves rule the sidecars too; in OSSM 3 meshMTLS ignores them and tlsDefaults covers gateways only."""
    for plane, tls in smcps(world):
        if tls.get("ecdhCurves"):
            yield Hit(plane, "ecdhCurves will not apply between workloads")


@rule(
    "MESH-MIG-005",
    Severity.INFO,
    "OSSM 3 has no dataPlane.mtls",
    fix="kntls mesh generate control-plane --flavour ossm3 --mtls",
)
def data_plane(world: World) -> Iterator[Hit]:
    """The operator of OSSM 2 makes a PeerAuthentication and a DestinationRule for `*.cluster.local`; in OSSM 3 nobody
    does, and clients rely on auto-mTLS."""
    for plane, _ in smcps(world):
        value = get(plane.spec, "security", "dataPlane", "mtls")
        if value is not None:
            made = "a STRICT PeerAuthentication must be created" if value else "mTLS stays PERMISSIVE by default"
            yield Hit(plane, f"dataPlane.mtls {str(value).lower()}: {made}")


@rule("MESH-MIG-006", Severity.INFO, "OSSM 3 has no identity type", fix="drop it: third-party tokens are always used")
def identity(world: World) -> Iterator[Hit]:
    """global.jwtPolicy is deprecated and without effect."""
    for plane, _ in smcps(world):
        if get(plane.spec, "security", "identity", "type"):
            yield Hit(plane, f"identity.type {get(plane.spec, 'security', 'identity', 'type')}")


@rule("MESH-MIG-007", Severity.INFO, "OSSM 3 has no member roll", fix="kntls mesh generate member-roll --flavour ossm3")
def rolls(world: World) -> Iterator[Hit]:
    """Namespaces are members by label; a roll's namespaces must be labelled before their pods are restarted."""
    for roll in world.membership.rolls:
        members = [str(name) for name in roll.spec.get("members") or ()]
        labels = world.membership.labels
        bare = [n for n in members if not {"istio-injection", "istio.io/rev"} & set(labels.get(n, ()))]
        if bare:
            yield Hit(roll, f"{', '.join(bare)} without injection label")


@rule(
    "MESH-MIG-008",
    Severity.INFO,
    "A CA that OSSM 3 configures elsewhere",
    fix="set global.caAddress and pilot.env.ENABLE_CA_SERVER: 'false'",
)
def authority(world: World) -> Iterator[Hit]:
    """An external CA (istio-csr or another) is named in spec.values.global.caAddress."""
    for plane, _ in smcps(world):
        kind = get(plane.spec, "security", "certificateAuthority", "type")
        if kind in ("Custom", "cert-manager"):
            yield Hit(plane, f"certificateAuthority.type {kind}")
