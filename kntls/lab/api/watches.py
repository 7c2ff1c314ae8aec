"""Watches: a stream of events after a resourceVersion, with bookmarks, initial events and an end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kntls.lab.answers import ApiError, bad_request, expired
from kntls.lab.api.messages import Request, Target
from kntls.lab.faults import Faults
from kntls.lab.history import Event
from kntls.lab.objects import Object
from kntls.lab.selectors import Predicate
from kntls.lab.store import Store

BOOKMARK_SECONDS = 30
DEFAULT_SECONDS = 1800
INITIAL_END = "k8s.io/initial-events-end"


@dataclass(frozen=True)
class Options:
    """What a watch request asks for."""

    since: str
    seconds: float
    bookmarks: bool
    initial: bool
    """Send what exists first, and a bookmark after it."""

    @classmethod
    def of(cls, request: Request) -> Options:
        """From the query; raises `ApiError` 400 for numbers that are none."""
        since, seconds = request.param("resourceVersion"), request.param("timeoutSeconds")
        if since and not since.isdigit():
            raise ApiError(500, "", f'strconv.ParseUint: parsing "{since}": invalid syntax')
        if seconds and not seconds.isdigit():
            raise bad_request(f'strconv.ParseInt: parsing "{seconds}": invalid syntax')
        wait = float(seconds) if seconds and seconds != "0" else DEFAULT_SECONDS
        return cls(since, wait, request.flag("allowWatchBookmarks"), request.flag("sendInitialEvents"))


Present = Callable[[Object], Object]
"""An object as the client wants it: itself, or a row of a Table."""


class Watch:
    """One running watch."""

    def __init__(
        self, store: Store, target: Target, options: Options, selector: Predicate | None, present: Present
    ) -> None:
        self.store = store
        self.target = target
        self.options = options
        self.selector = selector
        self.present = present
        self.end = time.monotonic() + options.seconds

    def lines(self, faults: Faults, stopping: Callable[[], bool]) -> Iterator[bytes]:
        """The events as JSON lines; an empty one each second without any. Faults end or break it."""
        resource = self.target.resource
        if faults.take("watch", resource.key, "gone"):
            yield _line("ERROR", expired("too old resource version: 1 (2)").body())
            return
        drop = faults.take("watch", resource.key, "watch-drop")
        left = int(drop.value or 0) if drop else None
        try:
            for line in self._events(stopping):
                if left is not None and line:
                    if left == 0:
                        return
                    left -= 1
                yield line
        except ApiError as error:
            yield _line("ERROR", error.body())

    def _events(self, stopping: Callable[[], bool]) -> Iterator[bytes]:
        since = self.options.since
        if since in ("", "0") or self.options.initial:
            items, since = self._existing()
            for obj in items:
                yield _line("ADDED", self.present(obj))
            if self.options.initial:
                yield self._bookmark(since, {INITIAL_END: "true"})
        marked = time.monotonic()
        for event in self.store.watch(self.target.resource, since, lambda: stopping() or time.monotonic() > self.end):
            if self.options.bookmarks and time.monotonic() > marked + BOOKMARK_SECONDS:
                marked = time.monotonic()
                yield self._bookmark(self.store.version)
            yield self._shown(event)

    def _existing(self) -> tuple[list[Object], str]:
        namespace = self.target.namespace or None
        return self.store.list(self.target.resource, namespace, self._selected)

    def _shown(self, event: Event | None) -> bytes:
        """The event as this watch sees it: an object that leaves the selection is deleted for it."""
        if event is None or self.target.namespace not in ("", event.obj["metadata"].get("namespace")):
            return b""
        now = event.type != "DELETED" and self._selected(event.obj)
        before = event.before is not None and self._selected(event.before)
        if now:
            return _line("MODIFIED" if before else "ADDED", self.present(event.obj))
        return _line("DELETED", self.present(_last_seen(event))) if before else b""

    def _selected(self, obj: Mapping[str, Any]) -> bool:
        named = self.target.name in ("", obj["metadata"]["name"])
        return named and (self.selector is None or self.selector(obj))

    def _bookmark(self, version: str, annotations: dict[str, str] | None = None) -> bytes:
        resource = self.target.resource
        metadata: dict[str, Any] = {"resourceVersion": version}
        metadata |= {"annotations": annotations} if annotations else {}
        return _line("BOOKMARK", {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata})


def _last_seen(event: Event) -> Object:
    """The object as a watch saw it last, under the version of the change that took it away."""
    last = event.before if event.type != "DELETED" and event.before is not None else event.obj
    return {**last, "metadata": {**last["metadata"], "resourceVersion": str(event.version)}}


def _line(kind: str, obj: Object) -> bytes:
    return json.dumps({"type": kind, "object": obj}, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
