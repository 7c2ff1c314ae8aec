"""For every rule: objects that break it, and the same objects repaired."""

import base64
from datetime import UTC, datetime, timedelta

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SECURITY, NETWORKING = "security.istio.io/v1", "networking.istio.io/v1"


def obj(kind, place, spec=None, version="v1", **extra):
    namespace, _, name = place.partition("/")
    metadata = {"name": name, "namespace": namespace, **extra.pop("metadata", {})}
    body = {"apiVersion": version, "kind": kind, "metadata": metadata, **extra}
    return body if spec is None else {**body, "spec": spec}


def ap(place, spec, **metadata):
    return obj("AuthorizationPolicy", place, spec, SECURITY, metadata=metadata)


def pa(place, mode=None, labels=None, ports=None, **metadata):
    spec = {"mtls": {"mode": mode}} if mode else {}
    spec |= {"selector": {"matchLabels": labels}} if labels else {}
    spec |= {"portLevelMtls": {port: {"mode": each} for port, each in ports.items()}} if ports else {}
    return obj("PeerAuthentication", place, spec, SECURITY, metadata=metadata)


def ra(place, labels=None, uri="https://i/keys"):
    spec = {"jwtRules": [{"issuer": "https://i", "jwksUri": uri}]}
    spec |= {"selector": {"matchLabels": labels}} if labels else {}
    return obj("RequestAuthentication", place, spec, SECURITY)


def dr(place, host, mode=None):
    return obj(
        "DestinationRule",
        place,
        {"host": host, **({"trafficPolicy": {"tls": {"mode": mode}}} if mode else {})},
        NETWORKING,
    )


def rule(to=None, source=None, when=None):
    made = {"to": [{"operation": to}]} if to else {}
    made |= {"from": [{"source": source}]} if source else {}
    return made | ({"when": when} if when else {})


def allow(*rules, **labels):
    return {"action": "ALLOW", "rules": list(rules), **select(labels)}


def deny(*rules, **labels):
    return {"action": "DENY", "rules": list(rules), **select(labels)}


def select(labels):
    return {"selector": {"matchLabels": labels}} if labels else {}


def service(place, port, name, selector=None, target=None, **metadata):
    spec = {
        "selector": selector or {"app": place.partition("/")[2]},
        "ports": [{"name": name, "port": port, "targetPort": target or port}],
    }
    return obj("Service", place, spec, metadata=metadata)


def pod(place, labels, *, sidecar=True, ports=()):
    containers = [{"name": "app", "ports": [{"containerPort": port} for port in ports]}]
    containers += [{"name": "istio-proxy"}] if sidecar else []
    return obj("Pod", place, {"containers": containers}, metadata={"labels": labels}, status={"phase": "Running"})


def gateway(place, port, mode=None, **tls):
    server = {"port": {"number": port, "name": "p", "protocol": "HTTPS"}, "hosts": ["*"]}
    server |= {"tls": {"mode": mode, **tls}} if mode else {}
    return obj("Gateway", place, {"selector": {"istio": "ingressgateway"}, "servers": [server]}, NETWORKING)


def smcp(**security):
    return obj("ServiceMeshControlPlane", "istio-system/basic", {"security": security}, "maistra.io/v2")


def tls(**fields):
    return smcp(controlPlane={"tls": fields})


def istio(section, **fields):
    spec = {"namespace": "istio-system", "values": {"meshConfig": {section: fields}}}
    return {"apiVersion": "sailoperator.io/v1", "kind": "Istio", "metadata": {"name": "default"}, "spec": spec}


def roll(*members, name="default", namespace="istio-system"):
    return obj("ServiceMeshMemberRoll", f"{namespace}/{name}", {"members": list(members)}, "maistra.io/v1")


def namespace(name, **labels):
    labels = {key.replace("_", "-"): value for key, value in labels.items()}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def ksvc(place):
    spec = {
        "template": {"metadata": {"annotations": {"sidecar.istio.io/inject": "true"}}, "spec": {"containers": [{}]}}
    }
    return obj("Service", place, spec, "serving.knative.dev/v1")


def certificate(days, *sans):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "*.apps.example.com")])
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(NOW - timedelta(days=400))
        .not_valid_after(NOW + timedelta(days=days))
    )
    if sans:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(s) for s in sans]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def secret(place, **data):
    encoded = {k.replace("_", "."): base64.b64encode(v).decode() for k, v in data.items()}
    return obj("Secret", place, data=encoded, type="Opaque")


KEY = trustme.CA().private_key_pem.bytes()
GOOD = certificate(30, "*.apps.example.com")
GET80 = {"methods": ["GET"], "ports": ["80"]}
STRICT = pa("istio-system/default", "STRICT")
ECHO = [service("foo/echo", 9000, "tcp"), pod("foo/echo-1", {"app": "echo"}, ports=(9000,))]
BOTH = [service("foo/web", 80, "http"), pod("foo/web-1", {"app": "web"}, ports=(80,))]
NS = {"namespaces": ["a"]}
HEADER = [{"key": "request.headers[x]", "values": ["1"]}]
H2 = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
OLD, NEW = "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"
TENANT = ap("team-1/allow-from-knative-and-istio", allow(rule(source=NS)))
LOCAL = service(
    "istio-system/knative-local-gateway", 80, "http2", {"istio": "ingressgateway"}, 8081,
    labels={"experimental.istio.io/disable-gateway-port-translation": "true"},
)  # fmt: skip
ASKING = ap("foo/ask", deny(rule(source={"notRequestPrincipals": ["*"]}, to={"ports": ["80"]})))

CASES = {
    "MESH-AUTHZ-001": ([ap("foo/p", {"action": "DENY"})], [ap("foo/p", deny(rule(to=GET80)))]),
    "MESH-AUTHZ-002": (
        [*ECHO, ap("foo/p", allow(rule(to={"methods": ["GET"], "ports": ["9000"]}), app="echo"))],
        [*ECHO, ap("foo/p", allow(rule(to={"ports": ["9000"]}), app="echo"))],
    ),
    "MESH-AUTHZ-003": (
        [ap("foo/p", deny(rule(to={"methods": ["GET"]})))],
        [ap("foo/p", deny(rule(to=GET80)))],
    ),
    "MESH-AUTHZ-004": (
        [ap("foo/p", deny(rule(when=HEADER)))],
        [ap("foo/p", deny(rule(to={"ports": ["80"]}, when=HEADER)))],
    ),
    "MESH-AUTHZ-005": (
        [ap("foo/p", allow(rule(to=GET80)), annotations={"istio.io/dry-run": "true"})],
        [ap("foo/p", allow(rule(to=GET80)), annotations={"istio.io/dry-run": "true"}), ap("foo/deny", {})],
    ),
    "MESH-AUTHZ-006": ([ap("foo/p", allow(rule(source=NS)))], [ap("foo/p", allow(rule(source=NS))), STRICT]),
    "MESH-AUTHZ-007": (
        [ap("foo/p", {"targetRefs": [{"kind": "Service", "name": "web"}], "rules": [{}]})],
        [ap("foo/p", allow({}, app="web"))],
    ),
    "MESH-AUTHZ-008": (
        [ap("foo/p", allow(rule(to={"hosts": ["a.example.com"]})))],
        [ap("foo/p", allow(rule(to={"hosts": ["a.example.com", "a.example.com:*"]})))],
    ),
    "MESH-AUTHZ-009": (
        [ap("foo/p", allow(rule(to={"hosts": ["a.example.com:80"]})))],
        [ap("foo/p", allow(rule(to={"hosts": ["a.example.com:80", "a.example.com"]})))],
    ),
    "MESH-AUTHZ-010": (
        [ap("knative-serving/p", allow(rule(to={"hosts": ["*.a"]}), app="activator"))],
        [
            ap(
                "knative-serving/p",
                allow(
                    rule(
                        to={"hosts": ["*.a"]},
                        when=[{"key": "request.headers[Knative-Serving-Namespace]", "values": ["a"]}],
                    ),
                    app="activator",
                ),
            )
        ],
    ),
    "MESH-AUTHZ-011": (
        [ap("foo/p", allow(rule(to={"hosts": ["*.local"]})))],
        [ap("foo/p", allow(rule(to={"hosts": ["*.a.svc.cluster.local"]})))],
    ),
    "MESH-AUTHZ-012": ([*BOTH, ap("foo/p", allow({}, app="wbe"))], [*BOTH, ap("foo/p", allow({}, app="web"))]),
    "MESH-AUTHZ-013": (
        [ap("foo/p", allow(rule(to={"methods": ["get"]})))],
        [ap("foo/p", allow(rule(to={"methods": ["GET", "PO*"]})))],
    ),
    "MESH-AUTHZ-015": ([ap("foo/p", allow({"from": []}))], [ap("foo/p", allow({}))]),
    "MESH-AUTHZ-014": ([ap("foo/p", {"action": "ALLOW", "rules": None})], [ap("foo/p", {})]),
    "MESH-MTLS-001": (
        [STRICT, dr("foo/d", "web.foo.svc.cluster.local", "DISABLE")],
        [STRICT, dr("foo/d", "web.foo.svc.cluster.local", "ISTIO_MUTUAL")],
    ),
    "MESH-MTLS-002": (
        [pa("foo/default", "DISABLE"), dr("foo/d", "*.foo.svc.cluster.local", "ISTIO_MUTUAL")],
        [pa("foo/default", "PERMISSIVE"), dr("foo/d", "*.foo.svc.cluster.local", "ISTIO_MUTUAL")],
    ),
    "MESH-MTLS-003": (
        [smcp(dataPlane={"mtls": True}), service("old/db", 80, "http"), pod("old/db-1", {"app": "db"}, sidecar=False)],
        [
            smcp(dataPlane={"mtls": True}),
            service("old/db", 80, "http"),
            pod("old/db-1", {"app": "db"}, sidecar=False),
            dr("old/db", "db", "DISABLE"),
        ],
    ),
    "MESH-MTLS-004": (
        [pa("foo/default", "DISABLE"), pa("foo/web", "STRICT", {"app": "web"})],
        [pa("foo/default", "DISABLE"), pa("foo/web", "STRICT", {"app": "web"}), dr("foo/web", "web", "ISTIO_MUTUAL")],
    ),
    "MESH-MTLS-005": (
        [smcp(dataPlane={"automtls": False}), pa("foo/default", "STRICT")],
        [
            smcp(dataPlane={"automtls": False}),
            pa("foo/default", "STRICT"),
            dr("foo/all", "*.foo.svc.cluster.local", "ISTIO_MUTUAL"),
        ],
    ),
    "MESH-MTLS-006": (
        [pa("foo/a", "STRICT", creationTimestamp=NEW), pa("foo/b", "PERMISSIVE", creationTimestamp=OLD)],
        [pa("foo/a", "STRICT", creationTimestamp=NEW)],
    ),
    "MESH-MTLS-007": ([pa("istio-system/x", "STRICT", {"app": "x"})], [pa("foo/x", "STRICT", {"app": "x"})]),
    "MESH-MTLS-008": (
        [*BOTH, pa("foo/a", "STRICT", {"app": "web"}), pa("foo/b", "PERMISSIVE", {"app": "web"})],
        [*BOTH, pa("foo/a", "STRICT", {"app": "web"})],
    ),
    "MESH-MTLS-009": (
        [STRICT, namespace("team", istio_injection="enabled"), ksvc("team/web")],
        [
            STRICT,
            namespace("team", istio_injection="enabled"),
            ksvc("team/web"),
            pa("team/drain", None, {"serving.knative.dev/service": "web"}, {"8022": "PERMISSIVE"}),
        ],
    ),
    "MESH-MTLS-010": (
        [dr("istio-system/all", "*.cluster.local", "ISTIO_MUTUAL"), dr("foo/web", "web")],
        [dr("istio-system/all", "*.cluster.local", "ISTIO_MUTUAL"), dr("foo/web", "web", "ISTIO_MUTUAL")],
    ),
    "MESH-JWT-001": ([ASKING], [ASKING, ra("foo/jwt")]),
    "MESH-JWT-002": ([ra("foo/jwt")], [ra("foo/jwt"), ASKING]),
    "MESH-JWT-003": ([ra("foo/jwt", uri="http://i/keys")], [ra("foo/jwt")]),
    "MESH-GW-001": (
        [LOCAL, gateway("knative-serving/knative-local-gateway", 8012, "ISTIO_MUTUAL")],
        [LOCAL, gateway("knative-serving/knative-local-gateway", 8081, "ISTIO_MUTUAL")],
    ),
    "MESH-GW-002": (
        [STRICT, gateway("knative-serving/knative-local-gateway", 8081)],
        [STRICT, gateway("knative-serving/knative-local-gateway", 8081, "ISTIO_MUTUAL")],
    ),
    "MESH-GW-003": (
        [gateway("foo/g", 443, "ISTIO_MUTUAL", credentialName="x")],
        [gateway("foo/g", 443, "ISTIO_MUTUAL")],
    ),
    "MESH-GW-004": (
        [secret("istio-system/other", tls_crt=GOOD), gateway("foo/g", 443, "SIMPLE", credentialName="wildcard")],
        [secret("istio-system/wildcard", tls_crt=GOOD), gateway("foo/g", 443, "SIMPLE", credentialName="wildcard")],
    ),
    "MESH-KEY-001": ([secret("a/s", tls_crt=GOOD, tls_key=KEY)], [secret("a/s", tls_crt=GOOD)]),
    "MESH-KEY-002": ([secret("a/s", tls_crt=certificate(-1, "a"))], [secret("a/s", tls_crt=GOOD)]),
    "MESH-KEY-003": ([secret("a/s", tls_crt=certificate(30))], [secret("a/s", tls_crt=GOOD)]),
    "MESH-KEY-004": (
        [obj("Secret", "istio-system/cacert", data={"ca-cert.pem": "QQ==", "root-cert.pem": "QQ=="})],
        [obj("Secret", "istio-system/cacerts", data={"ca-cert.pem": "QQ==", "root-cert.pem": "QQ=="})],
    ),
    "MESH-CP-001": ([tls(minProtocolVersion="TLSv1.2")], [tls(minProtocolVersion="TLSv1_2")]),
    "MESH-CP-002": (
        [tls(minProtocolVersion="TLSv1_3", maxProtocolVersion="TLSv1_2")],
        [tls(minProtocolVersion="TLSv1_2", maxProtocolVersion="TLSv1_3")],
    ),
    "MESH-CP-003": ([tls(cipherSuites=[H2, "RC4"])], [tls(cipherSuites=[H2])]),
    "MESH-CP-004": (
        [tls(cipherSuites=["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"])],
        [tls(cipherSuites=["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", H2])],
    ),
    "MESH-CP-005": (
        [tls(minProtocolVersion="TLSv1_3", cipherSuites=[H2])],
        [tls(minProtocolVersion="TLSv1_2", cipherSuites=[H2])],
    ),
    "MESH-CP-006": ([tls(ecdhCurves=["P-512"])], [tls(ecdhCurves=["CurveP521"])]),
    "MESH-CP-007": ([tls(ecdhCurves="CurveP256, CurveP384")], [tls(ecdhCurves=["CurveP256", "CurveP384"])]),
    "MESH-CP-008": ([smcp(controlplane={"tls": {}})], [smcp(controlPlane={"tls": {}})]),
    "MESH-CP-009": ([tls(cipherSuites=[H2, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"])], [tls(cipherSuites=[H2])]),
    "MESH-CP-010": (
        [smcp(certificateAuthority={"type": "cert-manager"})],
        [smcp(certificateAuthority={"type": "cert-manager"}, identity={"type": "ThirdParty"})],
    ),
    "MESH-CP-011": ([smcp(certificateAuthority={"type": "istiod"})], [smcp(certificateAuthority={"type": "Istiod"})]),
    "MESH-CP-012": (
        [smcp(certificateAuthority={"cert-manager": {"pilotSecretName": "mine"}})],
        [smcp(certificateAuthority={"cert-manager": {"address": "a:443"}})],
    ),
    "MESH-CP-013": (
        [obj("ConfigMap", "istio-system/pilot-jwks-cacerts-basic", data={"extra.pem": "x"})],
        [obj("ConfigMap", "istio-system/pilot-jwks-extra-cacerts-basic", data={"extra.pem": "x"})],
    ),
    "MESH-CP-014": (
        [istio("meshMTLS", minProtocolVersion="TLSv1_2")],
        [istio("meshMTLS", minProtocolVersion="TLSV1_2")],
    ),
    "MESH-CP-015": ([istio("meshMTLS", ecdhCurves=["P-256"])], [istio("tlsDefaults", ecdhCurves=["P-256"])]),
    "MESH-MEMBER-001": ([roll("team-1")], [roll("team-1", "knative-serving", "knative-eventing")]),
    "MESH-MEMBER-002": ([TENANT, roll("knative-serving", "knative-eventing")], [TENANT, roll("team-1")]),
    "MESH-MEMBER-003": (
        [roll("team-1"), roll("team-1", namespace="other-system")],
        [roll("team-1"), roll("team-2", namespace="other-system")],
    ),
    "MESH-MEMBER-004": (
        [TENANT, namespace("team-1"), pod("team-1/web", {"app": "web"}, sidecar=False)],
        [TENANT, namespace("team-1", istio_injection="enabled"), pod("team-1/web", {"app": "web"})],
    ),
    "MESH-MEMBER-005": (
        [namespace("team-1", istio_injection="enabled"), pod("team-1/web", {"app": "web"}, sidecar=False)],
        [namespace("team-1", istio_injection="enabled"), pod("team-1/web", {"app": "web"})],
    ),
    "MESH-MEMBER-006": ([roll(name="members")], [roll()]),
    "MESH-MIG-001": ([tls(maxProtocolVersion="TLSv1_2")], [tls(maxProtocolVersion="TLSv1_3")]),
    "MESH-MIG-002": ([tls(minProtocolVersion="TLSv1_1")], [tls(minProtocolVersion="TLSv1_2")]),
    "MESH-MIG-003": ([tls(cipherSuites=[H2, "TLS_RSA_WITH_AES_128_CBC_SHA256"])], [tls(cipherSuites=[H2])]),
    "MESH-MIG-004": ([tls(ecdhCurves=["X25519"])], [tls()]),
    "MESH-MIG-005": ([smcp(dataPlane={"mtls": True})], [smcp(dataPlane={"automtls": True})]),
    "MESH-MIG-006": ([smcp(identity={"type": "ThirdParty"})], [smcp()]),
    "MESH-MIG-007": ([roll("a")], [roll("a"), namespace("a", istio_injection="enabled")]),
    "MESH-MIG-008": ([smcp(certificateAuthority={"type": "Custom"})], [smcp(certificateAuthority={"type": "Istiod"})]),
}
"""Rule → (broken, repaired)."""
