"""What a cluster really trusts and presents, found without any of kntls's own code."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Iterator

import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from tests.e2e import kube

SERVING = "knative-serving"
ISSUERS_NAMESPACE = "cert-manager"
BUNDLE_LABEL = "networking.knative.dev/trust-bundle"
DATA_PORT, GATEWAY_PORT = 8112, 8444


def certificates(pem: str) -> list[x509.Certificate]:
    """Every certificate in PEM text."""
    return x509.load_pem_x509_certificates(pem.encode()) if "BEGIN CERTIFICATE" in pem else []


def secret(name: str, namespace: str) -> dict[str, str]:
    """A Secret's public part: `tls.crt` and `ca.crt`, decoded."""
    data = (kube.get("secret", name, namespace) or {}).get("data") or {}
    return {key: base64.b64decode(data[key]).decode() for key in ("tls.crt", "ca.crt") if key in data}


def issuer() -> str:
    """The ClusterIssuer of system-internal certificates."""
    data = (kube.get("configmap", "config-certmanager", SERVING) or {})["data"]
    return str(yaml.safe_load(data["systemInternalIssuerRef"])["name"])


def signing_secret() -> str:
    """The Secret whose CA that ClusterIssuer signs with now."""
    return str((kube.get("clusterissuer", issuer()) or {})["spec"]["ca"]["secretName"])


def authority(name: str) -> x509.Certificate:
    """The CA certificate in a Secret of the issuers' namespace."""
    return certificates(secret(name, ISSUERS_NAMESPACE)["tls.crt"])[0]


def trusted() -> dict[str, set[x509.Certificate]]:
    """Each place CAs are trusted from (labelled bundles, published ones, `ca.crt` of the routing Secret) → its CAs."""
    labels = (BUNDLE_LABEL, "kntls.dev/published")
    found = {name(cm): cm["data"] for label in labels for cm in kube.items("configmap", selector=label)}
    places = {place: set(certificates("\n".join(data.values()))) for place, data in found.items()}
    routing = secret("routing-serving-certs", SERVING).get("ca.crt", "")
    return places | {"Secret routing-serving-certs": set(certificates(routing))}


def name(found: kube.Object) -> str:
    """namespace/name of an object."""
    return f"{found['metadata']['namespace']}/{found['metadata']['name']}"


def presented() -> dict[str, x509.Certificate | None]:
    """Each ready, non-terminating pod's TLS listener → the leaf it presents; None where the handshake failed."""
    return {f"{pod} ({server_name})": leaf(ip, port, server_name) for pod, ip, port, server_name in _listeners()}


def _listeners() -> Iterator[tuple[str, str, int, str]]:
    for pod in _ready("app=activator"):
        yield name(pod), pod["status"]["podIP"], DATA_PORT, "kn-routing"
    for pod in _ready("serving.knative.dev/revision"):
        yield name(pod), pod["status"]["podIP"], DATA_PORT, f"kn-user-{pod['metadata']['namespace']}"
    hosts = sorted(_hosts())
    for pod in _ready("app=3scale-kourier-gateway"):
        for host in hosts:
            yield name(pod), pod["status"]["podIP"], GATEWAY_PORT, host


def _hosts() -> Iterator[str]:
    for service in kube.items("ksvc"):
        place = service["metadata"]
        yield f"{place['name']}.{place['namespace']}.svc.cluster.local"


def _ready(selector: str) -> list[kube.Object]:
    pods = kube.items("pod", selector=selector)
    return [pod for pod in pods if kube.condition(pod) == "True" and not pod["metadata"].get("deletionTimestamp")]


def leaf(address: str, port: int, server_name: str) -> x509.Certificate | None:
    """The certificate a server presents for a name, whoever signed it; None when it does not speak TLS there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((address, port), timeout=5) as connection,
            context.wrap_socket(connection, server_hostname=server_name) as secured,
        ):
            shown = secured.getpeercert(binary_form=True)
    except OSError:
        return None
    return x509.load_der_x509_certificate(shown) if shown else None


def signed_by(shown: x509.Certificate | None, ca: x509.Certificate) -> bool:
    """Whether this CA's key signed the leaf."""
    if shown is None:
        return False
    try:
        shown.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def not_of(ca: x509.Certificate) -> list[str]:
    """The listeners that do not present a leaf of this CA."""
    shown = presented()
    return sorted(server for server, found in shown.items() if not signed_by(found, ca))
