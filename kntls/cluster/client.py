"""The client: get, list in pages, watch, apply, patch, delete — plain dicts in and out, no discovery."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

from kntls.cluster.failures import Gone, from_status, unreachable
from kntls.cluster.retry import Retry
from kntls.errors import Conflict, NotFound
from kntls.model.kinds import SELF_SUBJECT_ACCESS_REVIEW, Kind, by_manifest
from kntls.model.objects import Object, ObjectRef, dig

MANAGER = "kntls"
"""Field manager of everything kntls writes."""
PAGE = 500
"""Objects asked for at a time."""

Keep = Callable[[dict[str, Any]], dict[str, Any]]
"""What is kept of an object that was read."""

log = logging.getLogger(__name__)


class _NoDiscovery:
    """Stands where the dynamic client would ask the server for its resource types."""

    def __init__(self, *_: Any) -> None:
        pass


def path_of(kind: Kind, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """The URL path of a collection, an object or its subresource."""
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    scope = f"/namespaces/{namespace}" if kind.namespaced and namespace else ""
    return f"{root}{scope}/{kind.plural}" + (f"/{name}" if name else "") + (f"/{subresource}" if subresource else "")


def ref_of(manifest: Object) -> ObjectRef:
    """The reference a manifest stands for, in its own version. Raises `NotFound` for a kind kntls does not know."""
    kind = by_manifest(str(manifest.get("apiVersion", "")), str(manifest.get("kind", "")))
    if kind is None:
        raise NotFound(f"no such kind: {manifest.get('apiVersion')} {manifest.get('kind')}")
    version = str(manifest["apiVersion"]).rpartition("/")[2]
    return ObjectRef(
        replace(kind, version=version),
        str(dig(manifest, "metadata", "name")),
        str(dig(manifest, "metadata", "namespace", default="")),
    )


class Cluster:
    """A connection to one API server. Thread-safe; counts its requests in `requests`."""

    def __init__(self, api: Any, name: str, *, request_timeout: float, retry: Retry) -> None:
        from kubernetes.dynamic import DynamicClient

        self.api = api
        self.name = name
        self.requests = 0
        self._client = DynamicClient(api, discoverer=_NoDiscovery)
        self._timeout = request_timeout
        self._retry = retry
        self._decoding = Lock()

    @property
    def server(self) -> str:
        """The API server's address."""
        return str(self.api.configuration.host)

    # -------------------------------------------------------------- one request

    def _once(self, method: str, path: str, body: Any, where: str, options: Mapping[str, Any]) -> Any:
        from kubernetes.client.exceptions import ApiException
        from kubernetes.dynamic.exceptions import DynamicApiError
        from urllib3.exceptions import HTTPError

        started = time.monotonic()
        self.requests += 1
        status = 0
        try:
            defaults: dict[str, Any] = {"query_params": [], "header_params": {}}
            answer = self._client.request(method, path, body=body, serialize=False, **{**defaults, **options})
            status = answer.status
            return answer if options.get("watch") else answer.data
        except (ApiException, DynamicApiError) as error:
            status = int(error.status or 0)
            raise from_status(status, error.body, error.headers, where) from None
        except (HTTPError, OSError) as error:
            raise unreachable(error, self.server) from None
        finally:
            log.debug("%s %s %s %.0f ms", method.upper(), path, status or "-", (time.monotonic() - started) * 1000)

    def _fetch(self, method: str, path: str, body: Any = None, *, where: str = "", **options: Any) -> bytes:
        options.setdefault("_request_timeout", self._timeout)

        def call() -> bytes:
            data: bytes = self._once(method, path, body, where, options)
            return data

        return self._retry.run(call, reset_is_safe=method != "post")

    def _ask(self, method: str, path: str, body: Any = None, *, where: str = "", **options: Any) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self._fetch(method, path, body, where=where, **options))
        return parsed

    # -------------------------------------------------------------- reading

    def get(self, ref: ObjectRef) -> dict[str, Any] | None:
        """The object, or None where it (or its resource type) does not exist."""
        try:
            return self._ask("get", path_of(ref.kind, ref.namespace, ref.name), where=str(ref))
        except NotFound:
            return None

    def list(
        self, kind: Kind, namespace: str = "", *, selector: str = "", fields: str = "", keep: Keep = dict
    ) -> list[dict[str, Any]]:
        """All objects of a kind, in one namespace or everywhere, each with `apiVersion` and `kind` filled in.

        `keep` says what is kept of each, while its page is read. A list that expires half-way (410) is started again
        from its first page. Raises `NotFound` where the resource type is not installed and `Forbidden` where it may
        not be listed.
        """
        options = {"label_selector": selector or None, "field_selector": fields or None, "limit": PAGE}
        while True:
            try:
                return [obj for page in self._pages(kind, namespace, keep, options) for obj in page]
            except Gone:
                continue

    def _pages(
        self, kind: Kind, namespace: str, keep: Keep, options: Mapping[str, Any]
    ) -> Iterator[Sequence[dict[str, Any]]]:
        path, token, more = path_of(kind, namespace), "", True
        while more:
            asked = {**options, "_continue": token or None}
            found, token = self._page(kind, keep, self._fetch("get", path, where=kind.resource, **asked))
            more = bool(token)
            yield found

    def _page(self, kind: Kind, keep: Keep, answer: bytes) -> tuple[Sequence[dict[str, Any]], str]:
        """What is kept of one page, and where the next one starts; empty after the last.

        A decoded page is large: whoever reads many kinds at once decodes one page after the other.
        """
        head = {"apiVersion": kind.api_version, "kind": kind.manifest_kind}
        with self._decoding:
            page = json.loads(answer)
            return [keep({**head, **item}) for item in page["items"]], dig(page, "metadata", "continue", default="")

    def serves(self, kind: Kind) -> bool:
        """Whether the API server knows the kind."""
        root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        try:
            resources = self._ask("get", root)["resources"]
        except NotFound:
            return False
        return any(entry["name"] == kind.plural for entry in resources)

    def version(self, patience: float = 3.0) -> str:
        """The API server's version: `v1.36.2`. Raises `Unreachable` when nobody answers within `patience` seconds:
        whoever mistyped an address wants to know at once."""
        eager = replace(self._retry, deadline=min(patience, self._retry.deadline))
        data = eager.run(lambda: self._once("get", "/version", None, "", {"_request_timeout": self._timeout}))
        return str(json.loads(data).get("gitVersion", ""))

    def can(self, verb: str, kind: Kind, namespace: str = "", subresource: str = "") -> bool:
        """Whether we may, by SelfSubjectAccessReview."""
        attributes = {"verb": verb, "group": kind.group, "resource": kind.plural}
        attributes |= {"namespace": namespace} if namespace else {}
        attributes |= {"subresource": subresource} if subresource else {}
        review = {
            "apiVersion": SELF_SUBJECT_ACCESS_REVIEW.api_version,
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = self._ask("post", path_of(SELF_SUBJECT_ACCESS_REVIEW), review)
        return bool(dig(answer, "status", "allowed", default=False))

    def logs(self, namespace: str, pod: str, container: str, *, tail: int = 200) -> str:
        """The last lines of a container's log. Raises `NotFound`, `Forbidden` and the like."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        options = {"query_params": [("container", container), ("tailLines", tail)], "_request_timeout": self._timeout}
        where = f"log of {namespace}/{pod}"
        data: bytes = self._retry.run(lambda: self._once("get", path, None, where, options))
        return data.decode(errors="replace")

    # -------------------------------------------------------------- watching

    def watch(self, kind: Kind, namespace: str = "", *, since: str = "", seconds: int = 60) -> Iterator[dict[str, Any]]:
        """Events (`type`, `object`) for at most `seconds`; survives dropped connections and 410.

        After a 410 the kind is listed again and every object reported as `MODIFIED`: judgement looks at state, so
        a repeated object does no harm and a missed change would.
        """
        end = time.monotonic() + seconds
        version = since
        while (left := end - time.monotonic()) > 0:
            try:
                for event in self._stream(kind, namespace, version, left):
                    version = str(dig(event, "object", "metadata", "resourceVersion", default=version))
                    if event["type"] != "BOOKMARK":
                        yield event
            except Gone:
                page = self._ask("get", path_of(kind, namespace), where=kind.resource)
                version = str(dig(page, "metadata", "resourceVersion", default=""))
                for item in page["items"]:
                    yield {"type": "MODIFIED", "object": item}

    def _stream(self, kind: Kind, namespace: str, version: str, seconds: float) -> Iterator[dict[str, Any]]:
        from urllib3.exceptions import HTTPError

        answer = self._retry.run(
            lambda: self._once(
                "get",
                path_of(kind, namespace),
                None,
                kind.resource,
                {
                    "watch": "true",
                    "resource_version": version or None,
                    "allow_watch_bookmarks": "true",
                    "timeout_seconds": max(1, int(seconds)),
                    "_request_timeout": (self._timeout, seconds + 5),
                },
            )
        )
        try:
            yield from _events(answer)
        except (HTTPError, OSError):
            return
        finally:
            answer.close()

    # -------------------------------------------------------------- writing

    def apply(self, manifest: Object, *, force: bool = False, dry_run: bool = False) -> dict[str, Any]:
        """Server-side apply as `kntls`. Raises `Conflict` (naming the other managers) unless `force`."""
        ref = ref_of(manifest)
        return self._ask(
            "patch",
            path_of(ref.kind, ref.namespace, ref.name),
            dict(manifest),
            where=str(ref),
            content_type="application/apply-patch+yaml",
            field_manager=MANAGER,
            force_conflicts="true" if force else None,
            dry_run="All" if dry_run else None,
        )

    def merge(self, ref: ObjectRef, body: Object, *, subresource: str = "", dry_run: bool = False) -> dict[str, Any]:
        """JSON merge patch; put `metadata.resourceVersion` in the body where it must not have changed."""
        return self._ask(
            "patch",
            path_of(ref.kind, ref.namespace, ref.name, subresource),
            dict(body),
            where=str(ref),
            content_type="application/merge-patch+json",
            field_manager=MANAGER,
            dry_run="All" if dry_run else None,
        )

    def create(self, manifest: Object, *, dry_run: bool = False) -> dict[str, Any]:
        """Create; raises `Conflict` where it exists."""
        ref = ref_of(manifest)
        options = {"field_manager": MANAGER, "dry_run": "All" if dry_run else None}
        return self._ask("post", path_of(ref.kind, ref.namespace), dict(manifest), where=str(ref), **options)

    def update(
        self, ref: ObjectRef, change: Callable[[dict[str, Any]], dict[str, Any]], *, subresource: str = ""
    ) -> dict[str, Any]:
        """Read, change, replace; begins again when somebody else was faster (409), at most ten times."""
        for attempt in range(10):
            current = self.get(ref)
            if current is None:
                raise NotFound("no such object", where=str(ref))
            path = path_of(ref.kind, ref.namespace, ref.name, subresource)
            try:
                return self._ask("put", path, change(current), where=str(ref), field_manager=MANAGER)
            except Conflict:
                if attempt == 9:
                    raise
        raise AssertionError("unreachable")

    def delete(self, ref: ObjectRef, *, uid: str = "", dry_run: bool = False) -> None:
        """Delete, only that very object where a `uid` is given; an object already gone is fine."""
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        body |= {"preconditions": {"uid": uid}} if uid else {}
        body |= {"dryRun": ["All"]} if dry_run else {}
        try:
            self._ask("delete", path_of(ref.kind, ref.namespace, ref.name), body, where=str(ref))
        except NotFound:
            return


def _events(answer: Any) -> Iterator[dict[str, Any]]:
    buffer = b""
    for chunk in answer.stream(amt=None, decode_content=False):
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in filter(None, lines):
            event = json.loads(line)
            if event["type"] == "ERROR":
                status = event["object"]
                raise from_status(int(status.get("code", 500)), json.dumps(status), None, "watch")
            yield event
