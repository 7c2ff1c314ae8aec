"""The smoke test: a throw-away Service, called by every name it has. The only part of the checks that acts."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from kntls.checks.facts import Facts
from kntls.cluster.client import Cluster
from kntls.errors import ClusterError, NotInstalled, UsageError, WaitTimeout
from kntls.knative.names import (
    DATA_PORT,
    GATEWAY,
    GATEWAY_EXTERNAL_PORT,
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
URLS = {Surface.CLUSTER_LOCAL: ("address", "url"), Surface.EXTERNAL_DOMAIN: ("url",)}
"""Where a Service's status has its address on each surface."""


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
            sentence = f"Service {ref.namespace}/{ref.name} became Ready"
            try:
                service = self._ready(ref)
            except WaitTimeout as error:
                yield Step(sentence, False, error.what)
            else:
                yield Step(sentence, True, f"image {self.image}")
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
        except BaseException:
            with suppress(ClusterError):  # why it was not made matters more
                self._remove(ref)
            raise
        try:
            yield ref
        finally:
            self._remove(ref)

    def _remove(self, ref: ObjectRef) -> None:
        """Remove it, also when interrupted while at it."""
        try:
            self.cluster.delete(ref)
        except KeyboardInterrupt:
            self.cluster.delete(ref)
            raise

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
            if is_true(obj) and all(_url(obj, surface).startswith("https:") for surface, _, _ in self._names(obj)):
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

    def _names(self, service: Object) -> Iterator[tuple[Surface, str, int]]:
        """Every name that is served with TLS: its surface, itself, and the gateway's port."""
        local, public = (urlsplit(_url(service, surface)).hostname or "" for surface in URLS)
        if Surface.CLUSTER_LOCAL in self.facts.surfaces:
            domain = local.partition(".svc.")[2] or "cluster.local"
            for host in sorted(cluster_local_hosts(name_of(service), self.namespace, domain)):
                yield Surface.CLUSTER_LOCAL, host, GATEWAY_LOCAL_PORT
        if Surface.EXTERNAL_DOMAIN in self.facts.surfaces and public != local:
            yield Surface.EXTERNAL_DOMAIN, public, GATEWAY_EXTERNAL_PORT

    def _calls(self, service: Object) -> Iterator[Step]:
        """Every name, through the gateway, with the CA only."""
        names = tuple(self._names(service))
        if not names:
            yield Step("no surface that is on gives it a name to call over TLS", True)
        for surface, host, port in names:
            yield self._call(surface, host, port)

    def _call(self, surface: Surface, host: str, port: int) -> Step:
        pod, roots = self._gateway(), self._roots(surface)
        if pod is None:
            return Step(f"https://{host} can be called", False, "no ready gateway pod was found")
        if not roots:
            own = surface != Surface.EXTERNAL_DOMAIN
            return Step(f"https://{host} is not called", not own, f"the CA that issues for {surface} is not here")
        answer = https_get(self._dial(pod, port), host, roots=roots)
        detail = answer.error or f"HTTP {answer.status} over {answer.tls_version}"
        return Step(f"https://{host} answers with a certificate of the CA", answer.reached, detail)

    def _inside(self, service: Object) -> Iterator[Step]:
        """What the queue-proxy presents, and what it says in its log."""
        if Surface.SYSTEM_INTERNAL not in self.facts.surfaces:
            yield Step("system-internal encryption is off: the queue-proxy serves plain HTTP", True)
            return
        pods = self.cluster.list(POD, self.namespace, selector=f"{SERVICE_LABEL}={name_of(service)}")
        roots = self._roots(Surface.SYSTEM_INTERNAL)
        ready = [pod for pod in pods if is_true(pod)]
        if not ready:
            yield Step(f"the queue-proxy presents {user_san(self.namespace)}", False, "no pod of the Service is ready")
        for pod in ready:
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


def _url(service: Object, surface: Surface) -> str:
    return str(dig(service, "status", *URLS[surface], default=""))


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
