"""cert-manager's controllers as one: what they watch, and when they look at what."""

from __future__ import annotations

from kntls.lab.certmanager.issuing import Issuing
from kntls.lab.certmanager.names import CERTIFICATES, CLUSTER_ISSUERS, ISSUERS, REQUESTS
from kntls.lab.certmanager.signing import Signing
from kntls.lab.client import Client
from kntls.lab.clock import Clock
from kntls.lab.faults import Faults
from kntls.lab.loop import Loop
from kntls.lab.objects import Object, name_of, namespace_of

DOWN_SECONDS = 0.2
"""While the fault `cert-manager=down` lasts, everything is put off by so many real seconds, again and again."""


class CertManager:
    """The controllers of one running cert-manager pod."""

    def __init__(
        self, client: Client, clock: Clock, loop: Loop, faults: Faults, resource_namespace: str = "cert-manager"
    ) -> None:
        self.client, self.loop, self.faults = client, loop, faults
        self.resource_namespace = resource_namespace
        self.running = False
        self.signing = Signing(client, clock, faults, resource_namespace, self.enqueue)
        self.issuing = Issuing(client, clock, self.enqueue)

    def start(self) -> None:
        """Take up work: everything there is gets looked at once."""
        self.running = True
        for kind in (CLUSTER_ISSUERS, ISSUERS, CERTIFICATES, REQUESTS):
            for obj in self.client.list(kind):
                self.enqueue(kind, namespace_of(obj), name_of(obj))

    def stop(self) -> None:
        """Leave everything as it is."""
        self.running = False

    def enqueue(self, kind: str, namespace: str, name: str, after: float = 0.0) -> None:
        """Look at one object, now or in `after` real seconds."""
        self.loop.call(
            ("cm", id(self), kind, namespace, name, after > 0), lambda: self._look(kind, namespace, name), after
        )

    def _look(self, kind: str, namespace: str, name: str) -> None:
        if not self.running:
            return
        if self.faults.active("cert-manager", "down"):
            self.enqueue(kind, namespace, name, DOWN_SECONDS)
        elif kind == CERTIFICATES:
            self.issuing.certificate(namespace, name)
        elif kind == REQUESTS:
            self.signing.request(namespace, name)
        else:
            self.signing.issuer(kind, namespace, name)

    def changed(self, kind: str, obj: Object) -> None:
        """React to a changed object, as the informers of the real controllers do."""
        if not self.running:
            return
        namespace, name = namespace_of(obj), name_of(obj)
        if kind == CERTIFICATES:
            self.enqueue(kind, namespace, name)
        elif kind == REQUESTS:
            self.enqueue(kind, namespace, name)
            self._owners(obj, namespace)
        elif kind in (CLUSTER_ISSUERS, ISSUERS):
            self.enqueue(kind, namespace, name)
        elif kind == "secrets":
            self._secret_changed(obj, namespace, name)

    def _owners(self, obj: Object, namespace: str) -> None:
        for reference in obj["metadata"].get("ownerReferences") or []:
            if reference["kind"] == "Certificate" and reference["apiVersion"].startswith("cert-manager.io/"):
                self.enqueue(CERTIFICATES, namespace, reference["name"])

    def _secret_changed(self, obj: Object, namespace: str, name: str) -> None:
        self._owners(obj, namespace)
        for certificate in self.client.list(CERTIFICATES, namespace):
            if certificate["spec"].get("secretName") == name:
                self.enqueue(CERTIFICATES, namespace, name_of(certificate))
        for kind, home in ((CLUSTER_ISSUERS, self.resource_namespace), (ISSUERS, namespace)):
            if namespace != home:
                continue
            for issuer in self.client.list(kind, namespace if kind == ISSUERS else None):
                if (issuer["spec"].get("ca") or {}).get("secretName") == name:
                    self.enqueue(kind, namespace_of(issuer), name_of(issuer))
