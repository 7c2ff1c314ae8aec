"""From a Certificate to its Secret: each step is a write of its own, under the name the real controller uses."""

from __future__ import annotations

from datetime import timedelta

from kntls.lab import x509 as pki
from kntls.lab.certmanager import issuers, policies
from kntls.lab.certmanager import spec as specs
from kntls.lab.certmanager.names import CERTIFICATES, REQUESTS, REVISION, Enqueue
from kntls.lab.certmanager.secrets import wanted_secret
from kntls.lab.client import Client
from kntls.lab.clock import Clock
from kntls.lab.objects import Object, condition, name_of, namespace_of, owner_reference, parse_time, rfc3339
from kntls.lab.reading import annotations_of, data_of, encoded, is_true, labels_of, owned_by, with_condition

NEXT_KEY = "cert-manager.io/next-private-key"
NOT_COPIED = ("kubectl.kubernetes.io/", "fluxcd.io/", "argocd.argoproj.io/")
FAILED_MESSAGE = "The certificate request has failed to complete and will be retried: "


class Issuing:
    """The certificates controllers: trigger, readiness, key manager, request manager, issuing, revision manager."""

    def __init__(self, client: Client, clock: Clock, enqueue: Enqueue) -> None:
        self.client, self.clock, self.enqueue = client, clock, enqueue

    def certificate(self, namespace: str, name: str) -> None:
        """Take the next step for one Certificate; each step writes, and the write brings the next one."""
        certificate = self.client.get(CERTIFICATES, namespace, name)
        if certificate is None:
            return
        current, following = self._requests(certificate)
        secret = self.client.get("secrets", namespace, certificate["spec"]["secretName"])
        given = policies.Input(certificate, secret, current, self.clock.now())
        for step in (
            self._issue,
            self._trigger,
            self._readiness,
            self._next_key,
            self._ask,
            self._prune,
            self._template,
        ):
            if step(given, following):
                return

    def _requests(self, certificate: Object) -> tuple[Object | None, Object | None]:
        """The requests of the current and of the next revision."""
        revision = int((certificate.get("status") or {}).get("revision") or 0)
        mine = {annotations_of(one).get(REVISION): one for one in self._owned_requests(certificate)}
        return mine.get(str(revision)) if revision else None, mine.get(str(revision + 1))

    def _owned_requests(self, certificate: Object) -> list[Object]:
        return [one for one in self.client.list(REQUESTS, namespace_of(certificate)) if owned_by(one, certificate)]

    def _status(self, certificate: Object, manager: str, status: Object) -> bool:
        if status == (certificate.get("status") or {}):
            return False
        self.client.by(f"cert-manager-certificates-{manager}").update_status(CERTIFICATES, certificate, status)
        return True

    def _trigger(self, given: policies.Input, _: Object | None) -> bool:
        certificate = given.certificate
        if is_true(certificate, "Issuing") or not self._owns_secret(certificate):
            return False
        found = policies.violation(policies.TRIGGER, given)
        if found is None:
            self._wake_at_renewal(given)
            return False
        wait = self._backed_off(given)
        if wait:
            self.enqueue(
                CERTIFICATES, namespace_of(certificate), name_of(certificate), self.clock.real(wait.total_seconds())
            )
            return False
        reason, message = found
        fresh = {"type": "Issuing", "status": "True", "reason": reason, "message": message}
        self.client.record(certificate, "Issuing", message)
        return self._status(certificate, "trigger", self._with(certificate, fresh))

    def _with(self, certificate: Object, fresh: Object, **more: object) -> Object:
        status = certificate.get("status") or {}
        stamped = {**fresh, "observedGeneration": certificate["metadata"].get("generation", 1)}
        return {
            **status,
            **more,
            "conditions": with_condition(status.get("conditions") or [], stamped, self.clock.stamp()),
        }

    def _owns_secret(self, certificate: Object) -> bool:
        """Whether this Certificate, of all that name the Secret, is the one that writes it (from cert-manager 1.14)."""
        name = certificate["spec"]["secretName"]
        rivals = [
            one
            for one in self.client.list(CERTIFICATES, namespace_of(certificate))
            if one["spec"].get("secretName") == name
        ]
        if len(rivals) < 2:
            return True
        secret = self.client.get("secrets", namespace_of(certificate), name)
        holder = annotations_of(secret).get("cert-manager.io/certificate-name")
        names = {name_of(one) for one in rivals}
        oldest = min(rivals, key=lambda one: (one["metadata"].get("creationTimestamp", ""), name_of(one)))
        return name_of(certificate) == (holder if holder in names else name_of(oldest))

    def _wake_at_renewal(self, given: policies.Input) -> None:
        leaf = given.leaf()
        due = policies.renewal_time(given.spec, leaf.not_valid_before_utc, leaf.not_valid_after_utc)
        if due is not None:
            certificate = given.certificate
            wait = max((due - given.now).total_seconds(), 1.0)
            self.enqueue(CERTIFICATES, namespace_of(certificate), name_of(certificate), min(wait, 3600.0))

    def _backed_off(self, given: policies.Input) -> timedelta:
        last = (given.certificate.get("status") or {}).get("lastFailureTime")
        if not last:
            return timedelta()
        _, following = self._requests(given.certificate)
        if following is not None and policies.changed_fields(given.spec, following):
            return timedelta()
        return policies.back_off(given.certificate, parse_time(last), given.now)

    def _next_key(self, given: policies.Input, _: Object | None) -> bool:
        certificate, client = given.certificate, self.client.by("cert-manager-certificates-key-manager")
        status, namespace = certificate.get("status") or {}, namespace_of(given.certificate)
        held = status.get("nextPrivateKeySecretName")
        if not is_true(certificate, "Issuing"):
            if not held:
                return False
            client.delete("secrets", namespace, held)
            return self._status(
                certificate, "key-manager", {k: v for k, v in status.items() if k != "nextPrivateKeySecretName"}
            )
        if held and self.client.get("secrets", namespace, held) is not None:
            return False
        algorithm, size, encoding = specs.private_key(certificate["spec"])
        key = self._key_to_reuse(given) or pki.new_key(algorithm, size)
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "generateName": f"{name_of(certificate)}-",
                "namespace": namespace,
                "labels": {NEXT_KEY: "true", "controller.cert-manager.io/fao": "true"},
                "ownerReferences": [owner_reference(certificate)],
            },
            "data": encoded({"tls.key": pki.key_pem(key, encoding)}),
            "type": "Opaque",
        }
        made = client.create("secrets", secret)
        verb = "Reused" if self._key_to_reuse(given) else "Generated"
        done = "Reusing" if verb == "Reused" else "Stored new"
        text = f'{done} private key in temporary Secret resource "{name_of(made)}"'
        self.client.record(certificate, verb, text)
        return self._status(certificate, "key-manager", {**status, "nextPrivateKeySecretName": name_of(made)})

    def _key_to_reuse(self, given: policies.Input) -> pki.Key | None:
        if not specs.reuses_key(given.spec) or "tls.key" not in given.data:
            return None
        try:
            key = pki.load_key(given.data["tls.key"])
        except pki.BadMaterial:
            return None
        algorithm, size, _ = specs.private_key(given.spec)
        return key if pki.key_matches_spec(key, algorithm, size) else None

    def _ask(self, given: policies.Input, following: Object | None) -> bool:
        """Make the CertificateRequest of the next revision, once the next key is there."""
        certificate, namespace = given.certificate, namespace_of(given.certificate)
        status = certificate.get("status") or {}
        held = status.get("nextPrivateKeySecretName")
        if not is_true(certificate, "Issuing") or not held:
            return False
        key_secret = self.client.get("secrets", namespace, held)
        if key_secret is None:
            return False
        key = pki.load_key(data_of(key_secret)["tls.key"])
        client = self.client.by("cert-manager-certificates-request-manager")
        if following is not None:
            if not self._stale(given, following, key):
                return False
            client.delete(REQUESTS, namespace, name_of(following))
        client.create(REQUESTS, self._new_request(certificate, key, held))
        name = f"{name_of(certificate)}-{int(status.get('revision') or 0) + 1}"
        self.client.record(certificate, "Requested", f'Created new CertificateRequest resource "{name}"')
        return True

    def _stale(self, given: policies.Input, request: Object, key: pki.Key) -> bool:
        if pki.public_bytes(pki.load_request(policies.request_pem(request))) != pki.public_bytes(key):
            return True
        if policies.changed_fields(given.spec, request):
            return True
        return self._failed_before(given.certificate, request)

    def _failed_before(self, certificate: Object, request: Object) -> bool:
        """Whether the request failed before this issuance began, so that it must be made anew."""
        ready, issuing = condition(request, "Ready"), condition(certificate, "Issuing")
        failed = (request.get("status") or {}).get("failureTime")
        if not failed or not ready or ready.get("reason") != "Failed" or not issuing:
            return False
        since = issuing.get("lastTransitionTime")
        return since is not None and parse_time(failed) < parse_time(since)

    def _new_request(self, certificate: Object, key: pki.Key, key_name: str) -> Object:
        spec = certificate["spec"]
        revision = int((certificate.get("status") or {}).get("revision") or 0) + 1
        copied = {k: v for k, v in annotations_of(certificate).items() if not k.startswith(NOT_COPIED)}
        request = pki.make_request(specs.names(spec), specs.template(spec), key)
        wanted = {
            **{k: spec[k] for k in ("duration", "isCA", "usages") if k in spec},
            "issuerRef": spec["issuerRef"],
            **encoded({"request": request}),
            "username": "system:serviceaccount:cert-manager:cert-manager",
            "groups": ["system:serviceaccounts", "system:serviceaccounts:cert-manager", "system:authenticated"],
        }
        return {
            "apiVersion": "cert-manager.io/v1",
            "kind": "CertificateRequest",
            "metadata": {
                "name": f"{name_of(certificate)}-{revision}",
                "namespace": namespace_of(certificate),
                "labels": dict(labels_of(certificate)),
                "annotations": {
                    **copied,
                    "cert-manager.io/certificate-name": name_of(certificate),
                    REVISION: str(revision),
                    issuers.PRIVATE_KEY: key_name,
                },
                "ownerReferences": [owner_reference(certificate)],
            },
            "spec": wanted,
        }

    def _issue(self, given: policies.Input, following: Object | None) -> bool:
        """Store what the next revision's request brought, or note its failure."""
        certificate = given.certificate
        held = (certificate.get("status") or {}).get("nextPrivateKeySecretName")
        if not is_true(certificate, "Issuing") or following is None or not held:
            return False
        key_secret = self.client.get("secrets", namespace_of(certificate), held)
        key_data = data_of(key_secret).get("tls.key")
        if key_data is None:
            return False
        ready = condition(following, "Ready")
        if not ready or ready.get("reason") == "Pending":
            return False
        if is_true(following, "Denied") or ready["status"] == "False":
            return not self._failed_before(certificate, following) and self._fail(certificate, following)
        asked = pki.load_request(policies.request_pem(following))
        if pki.public_bytes(asked) != pki.public_bytes(pki.load_key(key_data)):
            return False
        if policies.changed_fields(given.spec, following):
            return False
        self._store(certificate, following, key_data)
        return True

    def _fail(self, certificate: Object, request: Object) -> bool:
        ready = condition(request, "Ready")
        reason = "Denied" if is_true(request, "Denied") else ready.get("reason", "Failed")
        message = FAILED_MESSAGE + ready.get("message", "")
        status = certificate.get("status") or {}
        fresh = {"type": "Issuing", "status": "False", "reason": reason, "message": message}
        more = {
            "lastFailureTime": self.clock.stamp(),
            "failedIssuanceAttempts": int(status.get("failedIssuanceAttempts") or 0) + 1,
        }
        self.client.record(certificate, reason, message, warning=True)
        return self._status(certificate, "issuing", self._with(certificate, fresh, **more))

    def _store(self, certificate: Object, request: Object, key: bytes) -> None:
        found = data_of({"data": {k: v for k, v in request["status"].items() if k in ("certificate", "ca")}})
        data = {"tls.crt": found["certificate"], "tls.key": key}
        if found.get("ca"):
            data["ca.crt"] = found["ca"]
        self.client.by("cert-manager-certificates-issuing").apply(
            "secrets", wanted_secret(certificate, data), force=True
        )
        status = certificate.get("status") or {}
        dropped = ("lastFailureTime", "failedIssuanceAttempts")
        kept = {k: v for k, v in status.items() if k not in dropped}
        conditions = [one for one in kept.get("conditions") or [] if one["type"] != "Issuing"]
        revision = int(annotations_of(request)[REVISION])
        self._status(certificate, "issuing", {**kept, "conditions": conditions, "revision": revision})
        self.client.record(certificate, "Issuing", "The certificate has been successfully issued")

    def _readiness(self, given: policies.Input, _: Object | None) -> bool:
        found = policies.violation(policies.READINESS, given)
        certificate, status = given.certificate, given.certificate.get("status") or {}
        reason, message = found or ("Ready", "Certificate is up to date and has not expired")
        fresh = {"type": "Ready", "status": "False" if found else "True", "reason": reason, "message": message}
        dates = _dates(given)
        kept = {k: v for k, v in status.items() if k not in ("notBefore", "notAfter", "renewalTime")}
        wanted = self._with({**certificate, "status": kept}, fresh, **dates)
        return self._status(certificate, "readiness", wanted)

    def _prune(self, given: policies.Input, _: Object | None) -> bool:
        certificate = given.certificate
        if not is_true(certificate, "Ready"):
            return False
        ordered = sorted(self._owned_requests(certificate), key=_revision)
        surplus = ordered[: max(len(ordered) - specs.history_limit(certificate["spec"]), 0)]
        for one in surplus:
            self.client.by("cert-manager-certificates-revision-manager").delete(
                REQUESTS, namespace_of(one), name_of(one)
            )
        return False

    def _template(self, given: policies.Input, _: Object | None) -> bool:
        """Repair drift of labels and annotations in place, without issuing anew."""
        if given.secret is None or is_true(given.certificate, "Issuing") or not is_true(given.certificate, "Ready"):
            return False
        data = {k: v for k, v in given.data.items() if k in ("tls.crt", "tls.key", "ca.crt")}
        wanted = wanted_secret(given.certificate, data)["metadata"]
        have = (labels_of(given.secret), annotations_of(given.secret))
        if wanted["labels"].items() <= have[0].items() and wanted["annotations"].items() <= have[1].items():
            return False
        self.client.by("cert-manager-certificates-issuing").apply(
            "secrets", wanted_secret(given.certificate, data), force=True
        )
        return False


def _revision(request: Object) -> int:
    text = annotations_of(request).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def _dates(given: policies.Input) -> Object:
    try:
        leaf = given.leaf()
    except (pki.BadMaterial, KeyError):
        return {}
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    renew = policies.renewal_time(given.spec, start, end)
    dates = {"notBefore": rfc3339(start), "notAfter": rfc3339(end)}
    return {**dates, "renewalTime": rfc3339(renew)} if renew else dates
