"""The smoke test: a throw-away Service, called by every name it has. The only part of the checks that acts."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from kntls.checks.facts import Facts
from kntls.cluster.client import Cluster
from kntls.errors import ClusterError, NotInstalled, UsageError, WaitTimeout
from kntls.knative.names import (
    DATA_PORT,
    GATEWAY,
    GATEWAY_LOCAL_PORT,
    SERVICE_LABEL,
    Surface,
    user_san,
)
from kntls.knative.sans import cluster_local_hosts
from kntls.model.kinds import KSERVICE, POD
from kntls.model.objects import Object, ObjectRef, condition, dig, is_true, labels_of, name_of, namespace_of
from kntls.pki.certificate import Certificate
from kntls.probe.dial import Dialer
from kntls.probe.handshake import handshake
from kntls.probe.request import https_get

LABEL = "kntls.dev/smoke"
EVIDENCE = re.compile(r"certDir|Certificate|tls", re.IGNORECASE)
"""The lines of a queue-proxy's log by which Knative's documentation has people verify encryption."""
SERVES = "tls server"
PAUSE = 1.0


@dataclass(frozen=True)
class Step:
    """One thing the smoke test saw."""

    sentence: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True)
class Smoke:
    """Where and with what to test."""

    cluster: Cluster
    facts: Facts
    dialer: Dialer
    namespace: str
    image: str
    timeout: float = 120.0
    """Seconds to wait for the Service."""

    def run(self) -> Iterator[Step]:
        """Create, call, read, remove; each step as it is seen. The Service is removed whatever happens."""
        self._sweep()
        with self._service() as ref:
            service = self._ready(ref)
            yield Step(f"Service {ref.namespace}/{ref.name} became Ready", True, f"image {self.image}")
            yield from self._calls(service)
            yield from self._inside(service)
        yield Step("the Service is removed again", True)

    # -------------------------------------------------------------- the Service

    def _sweep(self) -> None:
        """Remove what a killed run left behind."""
        for obj in self.cluster.list(KSERVICE, self.namespace, selector=LABEL):
            self.cluster.delete(ObjectRef(KSERVICE, name_of(obj), namespace_of(obj)))

    @contextmanager
    def _service(self) -> Iterator[ObjectRef]:
        ref = ObjectRef(KSERVICE, f"kntls-smoke-{secrets.token_hex(3)}", self.namespace)
        try:
            self.cluster.create(self._manifest(ref))
            yield ref
        finally:
            self.cluster.delete(ref)

    def _manifest(self, ref: ObjectRef) -> dict[str, Any]:
        labels = {"app.kubernetes.io/managed-by": "kntls", LABEL: "true"}
        template = {
            "metadata": {"annotations": {"autoscaling.knative.dev/min-scale": "1"}},
            "spec": {"containers": [{"image": self.image}]},
        }
        return {
            "apiVersion": KSERVICE.api_version,
            "kind": KSERVICE.manifest_kind,
            "metadata": {"name": ref.name, "namespace": ref.namespace, "labels": labels},
            "spec": {"template": template},
        }

    def _ready(self, ref: ObjectRef) -> Object:
        """The Service once it is Ready and its address is what the surfaces promise. Raises `WaitTimeout`."""
        end = time.monotonic() + self.timeout
        obj: Object = {}
        while time.monotonic() < end:
            obj = self.cluster.get(ref) or {}
            local = str(dig(obj, "status", "address", "url", default=""))
            if is_true(obj) and (local.startswith("https:") or Surface.CLUSTER_LOCAL not in self.facts.surfaces):
                return obj
            time.sleep(PAUSE)
        found = condition(obj, "Ready")
        why = " ".join(str(found.get(key, "")) for key in ("reason", "message")).strip() or "it has no status"
        raise WaitTimeout(f"waited {self.timeout:.0f} s for it to become Ready: {why}", where=str(ref))

    # -------------------------------------------------------------- what it shows

    def _roots(self, surface: Surface) -> tuple[Certificate, ...]:
        ref = self.facts.issuers.get(surface)
        ca = self.facts.authorities.get(ref.name) if ref else None
        return (ca.anchor,) if ca else ()

    def _gateway(self) -> Object | None:
        space = self.facts.installation.gateway_namespace if self.facts.installation else ""
        pods = self.facts.observation.all(POD, namespace=space)
        return next((pod for pod in pods if labels_of(pod).get("app") == GATEWAY and is_true(pod)), None)

    def _dial(self, pod: Object, port: int) -> Callable[[], Any]:
        return partial(self.dialer.dial, namespace_of(pod), name_of(pod), str(dig(pod, "status", "podIP")), port)

    def _calls(self, service: Object) -> Iterator[Step]:
        """Every cluster-local name, through the gateway, with the CA only."""
        pod, roots = self._gateway(), self._roots(Surface.CLUSTER_LOCAL)
        if Surface.CLUSTER_LOCAL not in self.facts.surfaces:
            yield Step("cluster-local encryption is off: no name to call over TLS", True)
            return
        if pod is None or not roots:
            yield Step("its names can be called", False, "no ready gateway pod, or no CA, was found")
            return
        for host in sorted(cluster_local_hosts(name_of(service), self.namespace)):
            answer = https_get(self._dial(pod, GATEWAY_LOCAL_PORT), host, roots=roots)
            detail = answer.error or f"HTTP {answer.status} over {answer.tls_version}"
            yield Step(f"https://{host} answers with a certificate of the CA", answer.reached, detail)

    def _inside(self, service: Object) -> Iterator[Step]:
        """What the queue-proxy presents, and what it says in its log."""
        if Surface.SYSTEM_INTERNAL not in self.facts.surfaces:
            yield Step("system-internal encryption is off: the queue-proxy serves plain HTTP", True)
            return
        pods = self.cluster.list(POD, self.namespace, selector=f"{SERVICE_LABEL}={name_of(service)}")
        roots = self._roots(Surface.SYSTEM_INTERNAL)
        for pod in (pod for pod in pods if is_true(pod)):
            seen = handshake(self._dial(pod, DATA_PORT), user_san(self.namespace), roots=roots)
            accepted = bool(seen.verdict and seen.verdict.ok)
            reason = seen.error or (seen.verdict.reason if seen.verdict else "")
            yield Step(f"the queue-proxy presents {user_san(self.namespace)}", accepted, reason or seen.tls_version)
            yield self._log(pod)

    def _log(self, pod: Object) -> Step:
        sentence = "the queue-proxy's log says that it serves TLS"
        try:
            text = self.cluster.logs(namespace_of(pod), name_of(pod), "queue-proxy", tail=500)
        except ClusterError as error:
            return Step(sentence, False, error.what)
        lines = [line for line in text.splitlines() if EVIDENCE.search(line)]
        return Step(sentence, any(SERVES in line.lower() for line in lines), lines[-1].strip() if lines else "no line")


def running_image(facts: Facts) -> str:
    """The image of a Service that runs here. Raises `UsageError` where there is none."""
    for service in facts.observation.all(KSERVICE):
        containers = dig(service, "spec", "template", "spec", "containers", default=[])
        if is_true(service) and containers and containers[0].get("image"):
            return str(containers[0]["image"])
    raise UsageError("no Service runs here whose image could be used", where="--smoke", fix="add --image IMAGE")


def home_of(facts: Facts) -> str:
    """A namespace that already has a Service, else `default`."""
    return next((namespace_of(obj) for obj in facts.observation.all(KSERVICE)), "default")


def require_knative(facts: Facts) -> None:
    """Raises `NotInstalled` where there is nothing to test."""
    if facts.installation is None:
        raise NotInstalled("Knative Serving is not installed here", where=facts.observation.source)
