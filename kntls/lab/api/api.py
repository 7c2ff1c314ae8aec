"""One request from beginning to end: who asks, whether they may, what goes wrong on purpose, and the answer."""

from __future__ import annotations

import logging
import threading
import time

from kntls.lab import schemata
from kntls.lab.answers import ApiError, method_not_allowed
from kntls.lab.api import discovery, openapi, options, pods, reviews
from kntls.lab.api.access import Gate, User
from kntls.lab.api.discovery import VERSION
from kntls.lab.api.messages import Request, Response, Target, decode_object, failure, target
from kntls.lab.api.verbs import Call, list_all, perform, present, selector
from kntls.lab.api.watches import Options, Watch
from kntls.lab.faults import Fault, Faults
from kntls.lab.objects import Object
from kntls.lab.resources import PODS, SERVICE_ACCOUNTS
from kntls.lab.shapes import Shape
from kntls.lab.store import Store

log = logging.getLogger(__name__)
PANIC = "This request caused apiserver to panic. Look in the logs for details."
HEALTH = ("/healthz", "/livez", "/readyz", "/livez/ping", "/readyz/ping", "/healthz/ping")
FAULTY = ("reset", "throttle", "error", "conflict")
WRITES = ("create", "update", "patch", "delete", "deletecollection")


_TEXTS = {"type": "array", "items": {"type": "string"}}
_TOKEN_SPEC = {"type": "object", "properties": {"expirationSeconds": {"type": "integer"}, "audiences": _TEXTS}}
_TOKEN_REQUEST = Shape({"type": "object", "properties": {"spec": _TOKEN_SPEC}}, {})


class Api:
    """The API server's request handling, without the HTTP."""

    def __init__(self, store: Store, faults: Faults, runtime: pods.Runtime | None = None) -> None:
        self.store = store
        self.faults = faults
        self.gate = Gate(store)
        self.runtime = runtime or pods.NoRuntime()
        self.stopping = threading.Event()

    def answer(self, request: Request) -> Response | None:
        """The response; None to close the connection without one."""
        try:
            user = self.gate.user(request)
            where = target(self.store.registry, request)
            self.gate.check(user, request, where)
            if where is None:
                return self._plain(request)
            fault = self._fault(where)
            if fault is not None:
                return _broken(fault, where)
            return self._resource(Call(self.store, request, where, user))
        except ApiError as error:
            return failure(error)
        except Exception:
            log.exception("%s %s", request.method, request.path)
            return failure(ApiError(500, "InternalError", PANIC))

    def _fault(self, where: Target) -> Fault | None:
        slow = self.faults.take(where.verb, where.resource.key, "slow")
        if slow is not None:
            time.sleep(float(slow.value or 1))
        kinds = FAULTY if where.verb in WRITES else tuple(kind for kind in FAULTY if kind != "conflict")
        return self.faults.take(where.verb, where.resource.key, *kinds)

    def _plain(self, request: Request) -> Response:
        """Paths that are no resource's."""
        path = request.path.rstrip("/")
        if path == "/version":
            return Response(VERSION)
        if path in HEALTH:
            return Response("ok", content_type="text/plain")
        found = discovery.answer(self.store.registry, request)
        found = found or openapi.answer(self.store.registry, self.store.shapes, request)
        return found or Response("404 page not found\n", 404, "text/plain; charset=utf-8")

    def _resource(self, call: Call) -> Response:
        where = call.target
        options.check(call.request, where, self.store.version)
        if where.resource.key in reviews.REVIEWS:
            return self._review(call)
        if where.verb == "watch" and not where.subresource:
            return self._watch(call)
        if where.verb == "list" and call.request.param("continue"):
            return list_all(call, gone=bool(self.faults.take("list", where.resource.key, "gone")))
        if where.resource.key == PODS.key and where.subresource == "log":
            return pods.log(call, self.runtime, self.stopping.is_set)
        if where.resource.key == PODS.key and where.subresource in ("exec", "portforward"):
            kubelet = {"exec": pods.execute, "portforward": pods.port_forward}
            return kubelet[where.subresource](call, self.runtime)
        if where.resource.key == SERVICE_ACCOUNTS.key and where.subresource == "token":
            return self._token(call)
        return perform(call)

    def _review(self, call: Call) -> Response:
        if call.target.verb != "create":
            raise method_not_allowed()
        review = decode_object(call.request, call.target)
        schemata.check_types(review, self.store.shape(call.resource), call.resource)
        body = reviews.answer(call.resource.key, review, self.gate, call.user, call.target.namespace)
        return Response(body, 201)

    def _watch(self, call: Call) -> Response:
        def shown(obj: Object) -> Object:
            return present(call, obj)

        watch = Watch(self.store, call.target, Options.of(call.request), selector(call), shown)
        return Response(stream=watch.lines(self.faults, self.stopping.is_set))

    def _token(self, call: Call) -> Response:
        """POST of a ServiceAccount's `token`: a TokenRequest, answered with its token."""
        asked = decode_object(call.request, call.target)
        schemata.check_types(asked, _TOKEN_REQUEST, call.resource)
        spec = asked.get("spec") or {}
        seconds = int(spec.get("expirationSeconds") or 3600)
        if seconds < 600:
            raise _short_lived(call.target.name, seconds)
        where = call.target
        token = self.gate.tokens.issue(where.namespace, where.name, seconds, spec.get("audiences") or ())
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
        return Response(
            {
                "kind": "TokenRequest",
                "apiVersion": "authentication.k8s.io/v1",
                "metadata": {"name": where.name, "namespace": where.namespace},
                "spec": {**spec, "expirationSeconds": seconds},
                "status": {"token": token, "expirationTimestamp": until},
            },
            201,
        )


def _short_lived(name: str, seconds: int) -> ApiError:
    field, why = "spec.expirationSeconds", "may not specify a duration less than 10 minutes"
    message = f"Invalid value: {seconds}: {why}"
    cause = {"reason": "FieldValueInvalid", "message": message, "field": field}
    details = {"name": name, "group": "authentication.k8s.io", "kind": "TokenRequest", "causes": [cause]}
    text = f'TokenRequest.authentication.k8s.io "{name}" is invalid: {field}: {message}'
    return ApiError(422, "Invalid", text, details)


def _broken(fault: Fault, where: Target) -> Response | None:
    """The response a fault asks for."""
    if fault.kind == "reset":
        return None
    if fault.kind == "throttle":
        seconds = fault.value or "1"
        text = "Too many requests, please try again later."
        error = ApiError(429, "TooManyRequests", text, {"retryAfterSeconds": int(float(seconds))})
        return failure(error, {"Retry-After": seconds})
    if fault.kind == "conflict":
        name = where.name or "object"
        message = (
            f'Operation cannot be fulfilled on {where.resource} "{name}": the object has been modified; '
            "please apply your changes to the latest version and try again"
        )
        return failure(ApiError(409, "Conflict", message, {"name": name, "kind": where.resource.plural}))
    code = int(fault.value or 503)
    reasons = {500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout"}
    return failure(ApiError(code, reasons.get(code, "InternalError"), "the lab was asked to fail this request"))


__all__ = ["Api", "User"]
