"""Issuers judged, and CertificateRequests approved and signed."""

from __future__ import annotations

from kntls.lab.certmanager import issuers
from kntls.lab.certmanager import spec as specs
from kntls.lab.certmanager.names import CLUSTER_ISSUERS, ISSUERS, REQUESTS, Enqueue
from kntls.lab.client import Client
from kntls.lab.clock import Clock
from kntls.lab.faults import Faults
from kntls.lab.objects import Object, condition, name_of, namespace_of
from kntls.lab.reading import annotations_of, encoded, is_true, labels_of, with_condition


class Signing:
    """The issuer controllers, the approver, and the controllers that sign."""

    def __init__(self, client: Client, clock: Clock, faults: Faults, resource_namespace: str, enqueue: Enqueue) -> None:
        self.client, self.clock, self.faults, self.enqueue = client, clock, faults, enqueue
        self.resource_namespace = resource_namespace

    def issuer(self, kind: str, namespace: str, name: str) -> None:
        """Judge one issuer, write its condition, and wake the requests that wait for it."""
        issuer = self.client.get(kind, namespace, name)
        if issuer is None:
            return
        secret = self._ca_secret(issuer)
        ready, reason, message = issuers.readiness(issuer, secret)
        fresh = {
            "type": "Ready",
            "status": "True" if ready else "False",
            "reason": reason,
            **({"message": message} if message else {}),
            "observedGeneration": issuer["metadata"].get("generation", 1),
        }
        conditions = with_condition((issuer.get("status") or {}).get("conditions") or [], fresh, self.clock.stamp())
        manager = "cert-manager-clusterissuers" if kind == CLUSTER_ISSUERS else "cert-manager-issuers"
        if conditions != (issuer.get("status") or {}).get("conditions"):
            self.client.by(manager).update_status(
                kind, issuer, {**(issuer.get("status") or {}), "conditions": conditions}
            )
        for request in self.client.list(REQUESTS, namespace or None):
            if specs.issuer_ref(request["spec"])[:2] == (name, issuer["kind"]) and not _finished(request):
                self.enqueue(REQUESTS, namespace_of(request), name_of(request), 0.0)
        if not ready and reason == "ErrGetKeyPair":
            self.enqueue(kind, namespace, name, self.clock.real(5))

    def _ca_secret(self, issuer: Object) -> Object | None:
        if issuers.kind_of(issuer) != "ca":
            return None
        home = namespace_of(issuer) or self.resource_namespace
        secret = self.client.get("secrets", home, issuer["spec"]["ca"].get("secretName", ""))
        if secret is not None and labels_of(secret).get("controller.cert-manager.io/fao", "true") != "true":
            return None
        return secret

    def request(self, namespace: str, name: str) -> None:
        """Approve one CertificateRequest, then sign it."""
        request = self.client.get(REQUESTS, namespace, name)
        if request is None or _finished(request):
            return
        if not is_true(request, "Approved") and not is_true(request, "Denied"):
            self._request_condition(
                request,
                "cert-manager-certificaterequests-approver",
                {
                    "type": "Approved",
                    "status": "True",
                    "reason": "cert-manager.io",
                    "message": "Certificate request has been approved by cert-manager.io",
                },
            )
            return
        if is_true(request, "Denied"):
            message = "The CertificateRequest was denied by an approval controller"
            self._fail_request(request, "Denied", message)
            return
        self._sign(request)

    def _sign(self, request: Object) -> None:
        ref, kind, group = specs.issuer_ref(request["spec"])
        if group != "cert-manager.io":
            return
        namespace = namespace_of(request)
        resource = CLUSTER_ISSUERS if kind == "ClusterIssuer" else ISSUERS
        issuer = self.client.get(resource, "" if kind == "ClusterIssuer" else namespace, ref)
        try:
            chain, authority = self._signed(request, issuer)
        except issuers.NotYet as error:
            if condition(request, "Ready").get("message") != str(error):
                self.client.record(request, error.reason, str(error))
            self._pend(request, str(error))
            return
        except issuers.Failed as error:
            self._fail_request(request, "Failed", str(error))
            return
        fresh = {
            "type": "Ready",
            "status": "True",
            "reason": "Issued",
            "message": "Certificate fetched from issuer successfully",
        }
        found = encoded({"certificate": chain, **({"ca": authority} if authority else {})})
        self._request_condition(request, self._signer(issuer), fresh, found)
        self.client.record(request, "CertificateIssued", fresh["message"])

    def _signed(self, request: Object, issuer: Object | None) -> tuple[bytes, bytes]:
        if issuer is None:
            name, kind, group = specs.issuer_ref(request["spec"])
            what = f'{kind.lower()}.{group} "{name}" not found'
            raise issuers.NotYet("IssuerNotFound", f'Referenced "{kind}" not found: {what}')
        if not is_true(issuer, "Ready"):
            raise issuers.NotYet("IssuerNotReady", "Referenced issuer does not have a Ready status condition")
        if self.faults.active("cert-manager", "failing"):
            raise issuers.Failed("Error signing certificate: the lab was asked to fail")
        now = self.clock.now()
        if issuers.kind_of(issuer) == "ca":
            return issuers.sign_with_ca(request, issuer, self._ca_secret(issuer), now)
        key = annotations_of(request).get(issuers.PRIVATE_KEY, "")
        return issuers.sign_itself(request, issuer, self.client.get("secrets", namespace_of(request), key), now)

    def _signer(self, issuer: Object | None) -> str:
        kind = issuers.kind_of(issuer) if issuer else "ca"
        return f"cert-manager-certificaterequests-issuer-{kind.lower()}"

    def _pend(self, request: Object, message: str) -> None:
        fresh = {"type": "Ready", "status": "False", "reason": "Pending", "message": message}
        self._request_condition(request, "cert-manager-certificaterequests-issuer-ca", fresh)
        self.enqueue(REQUESTS, namespace_of(request), name_of(request), self.clock.real(5))

    def _fail_request(self, request: Object, reason: str, message: str) -> None:
        fresh = {"type": "Ready", "status": "False", "reason": reason, "message": message}
        failed = {"failureTime": self.clock.stamp()}
        self._request_condition(request, "cert-manager-certificaterequests-issuer-ca", fresh, failed)

    def _request_condition(self, request: Object, manager: str, fresh: Object, more: Object | None = None) -> None:
        status = request.get("status") or {}
        conditions = with_condition(status.get("conditions") or [], fresh, self.clock.stamp())
        wanted = {**status, **(more or {}), "conditions": conditions}
        if wanted != status:
            self.client.by(manager).update_status(REQUESTS, request, wanted)


def _finished(request: Object) -> bool:
    ready = condition(request, "Ready")
    return bool(ready) and (ready["status"] == "True" or ready.get("reason") in ("Failed", "Denied"))
