"""The lab's object store: what the HTTP server and the in-process controllers share.

It keeps the promises of an API server's storage layer: one global resourceVersion, optimistic concurrency, generations,
status isolation, finalizers, owner references, namespaces that empty before they go, field managers, and an event log.
All methods are safe to call from any thread; objects go in and come out as copies.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kntls.lab import defaults, fieldsets, ownership, patches, schemata, validation
from kntls.lab.answers import (
    ApiError,
    already_exists,
    bad_request,
    check_name,
    not_found,
    unsupported_media,
)
from kntls.lab.history import Event, History
from kntls.lab.objects import Object, clone, meta, name_of, namespace_of, rfc3339
from kntls.lab.ownership import Manager
from kntls.lab.resources import CONFIG_MAPS, CRDS, NAMESPACES, PODS, SERVICE_ACCOUNTS, Registry, Resource
from kntls.lab.selectors import Predicate
from kntls.lab.shapes import Shape, Shapes
from kntls.lab.writing import (
    PLAIN,
    Removal,
    check_mortal,
    check_preconditions,
    check_version,
    count_generation,
    drop_empty,
    kept_identity,
    owners,
    same,
    suffix,
    terminating,
    unfitting,
)

Key = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""


@dataclass(frozen=True)
class Writer:
    """Who writes, and how."""

    manager: str = "lab"
    """The field manager."""
    user: str = "system:lab"
    groups: tuple[str, ...] = ("system:masters", "system:authenticated")
    dry_run: bool = False
    """Answer as if it were written, and write nothing."""


LAB = Writer()
"""The lab itself."""


@dataclass
class Admission:
    """One write on its way to the store, as admission hooks see it."""

    verb: str
    """`create`, `update` or `delete`."""
    resource: Resource
    obj: Object
    """What would be stored; a hook may change it. The stored object itself for `delete`."""
    old: Object | None
    writer: Writer
    subresource: str = ""


Hook = Callable[[Admission], None]
"""Looks at a write before it is stored; may change the object, or raise `ApiError` to refuse it."""


class Store:
    """All objects of one lab."""

    def __init__(self, registry: Registry, shapes: Shapes, clock: Callable[[], datetime] | None = None) -> None:
        self.registry = registry
        self.shapes = shapes
        self.lock = threading.RLock()
        self.history = History(self.lock)
        self.hooks: list[Hook] = []
        """Admission hooks, called in order: the lab's webhooks."""
        self.root_ca = ""
        """PEM text that every namespace gets as the ConfigMap `kube-root-ca.crt`; empty: none."""
        self.graceful = False
        """Whether pods with a node are only marked by a delete, for a kubelet to end them."""
        self._clock = clock or (lambda: datetime.now(UTC))
        self._objects: dict[str, dict[Key, Object]] = {}
        self._dependents: dict[str, set[tuple[str, Key]]] = {}

    # ---- reading

    @property
    def version(self) -> str:
        """The current resourceVersion."""
        return str(self.history.version)

    def now(self) -> str:
        """The time, as objects carry it."""
        return rfc3339(self._clock())

    def shape(self, resource: Resource) -> Shape:
        """The shape of a resource's objects."""
        return self.shapes.of(resource.api_version, resource.kind)

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """A copy of one object; raises `ApiError` 404."""
        return clone(self.peek(resource, namespace, name))  # type: ignore[no-any-return]

    def peek(self, resource: Resource, namespace: str, name: str) -> Object:
        """The stored object itself, for reading only; raises `ApiError` 404."""
        with self.lock:
            found = self._objects.get(resource.key, {}).get((namespace, name))
        if found is None:
            raise not_found(resource, name)
        return found

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """A copy of one object, or None."""
        with self.lock:
            return clone(self._objects.get(resource.key, {}).get((namespace, name)))  # type: ignore[no-any-return]

    def list(
        self, resource: Resource, namespace: str | None = None, selector: Predicate | None = None
    ) -> tuple[list[Object], str]:
        """The objects of a namespace (None: of all), ordered by namespace and name, and the resourceVersion.

        The objects are the stored ones: for reading only, copy before changing.
        """
        with self.lock:
            found = self._objects.get(resource.key, {})
            keys = sorted(key for key in found if namespace is None or key[0] == namespace)
            items = [found[key] for key in keys if selector is None or selector(found[key])]
            return items, self.version

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call back on every change, in order, on the writer's thread and under the lock: only take note and return.

        Returns a function that ends the subscription.
        """
        with self.lock:
            return self.history.subscribe(callback)

    def watch(self, resource: Resource, since: str, stop: Callable[[], bool] = lambda: False) -> Iterator[Event | None]:
        """The changes of one resource after a resourceVersion, as they happen; None each second without one.

        Raises `ApiError` 410 if the log does not reach back that far; ends when `stop` says so.
        """
        version = int(since)
        while not stop():
            with self.lock:
                if self.history.version == version:
                    self.history.changed.wait(1)
                recent = [event for event in self.history.since(version) if event.resource.key == resource.key]
                version = self.history.version
            yield from recent or (None,)

    # ---- writing

    def create(self, resource: Resource, obj: Mapping[str, Any], writer: Writer = LAB) -> Object:
        """Store a new object; returns it. Raises `ApiError` 404 (no namespace), 409, 422, 403."""
        with self.lock:
            self._decoded(resource, dict(obj))
            new = self._fresh(resource, obj)
            key = (namespace_of(new), name_of(new))
            if key in self._objects.get(resource.key, {}):
                raise already_exists(resource, key[1])
            new["metadata"].pop("managedFields", None)
            self._admit("create", resource, new, None, writer)
            manager = Manager(writer.manager, "Update", resource.api_version)
            shares = ownership.after_update({}, manager, self._change(resource, None, new), self.now())
            return self._commit_new(resource, key, new, shares, writer)

    def update(self, resource: Resource, obj: Mapping[str, Any], subresource: str = "", writer: Writer = LAB) -> Object:
        """Replace an object (or its status); returns it as stored.

        A resourceVersion in `obj` must be the stored one. Raises `ApiError` 404, 409, 422.
        """
        with self.lock:
            self._decoded(resource, dict(obj))
            live = self.peek(resource, namespace_of(obj), name_of(obj))
            return self._replace(resource, live, clone(dict(obj)), subresource, writer)

    def modify(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        change: Callable[[Object], Object | None],
        subresource: str = "",
        writer: Writer = LAB,
    ) -> Object:
        """Change an object by a function on a copy of it, which may return a new one; no conflict is possible."""
        with self.lock:
            obj = self.get(resource, namespace, name)
            changed = change(obj)
            return self.update(resource, obj if changed is None else changed, subresource, writer)

    def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Any,
        kind: str = "merge",
        subresource: str = "",
        writer: Writer = LAB,
    ) -> Object:
        """Change an object by a `merge`, `json` or `strategic` patch. Raises `ApiError` 404, 409, 415, 422."""
        with self.lock:
            live = self.peek(resource, namespace, name)
            patched = self._patched(resource, live, patch, kind)
            check_name(patched, name)
            try:
                return self._replace(resource, live, patched, subresource, writer, True)
            except ApiError as error:
                raise unfitting(resource, name, error) from error

    def apply(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        config: Mapping[str, Any],
        writer: Writer = LAB,
        *,
        force: bool = False,
        subresource: str = "",
    ) -> tuple[Object, bool]:
        """Server-side apply; returns the object and whether it was created. Raises `ApiError` 404, 409, 422."""
        with self.lock:
            live = self._objects.get(resource.key, {}).get((namespace, name))
            manager = Manager(writer.manager, "Apply", resource.api_version, subresource)
            self._decoded(resource, dict(config))
            stated = self._stated(resource, config, namespace, name)
            if live is None:
                if subresource:
                    raise not_found(resource, name)
                check_name(config, name)
                return self._apply_new(resource, stated, manager, writer), True
            shape, now = self.shape(resource), self.now()
            merged, shares = ownership.apply(live, stated, shape, manager, force=force, now=now)
            if name_of(config) or ownership.owns_metadata(live, manager):
                check_name(config, name)
            return self._replace(resource, live, merged, subresource, writer, True, shares), False

    def delete(
        self, resource: Resource, namespace: str, name: str, removal: Removal = PLAIN, writer: Writer = LAB
    ) -> tuple[Object, bool]:
        """Delete an object; returns its last state and whether it is gone (finalizers and grace keep it).

        Raises `ApiError` 404, 409 for preconditions that do not hold.
        """
        with self.lock:
            live = self.peek(resource, namespace, name)
            check_preconditions(resource, live, removal)
            check_mortal(resource, name)
            admission = Admission("delete", resource, live, live, writer)
            for hook in self.hooks:
                hook(admission)
            if writer.dry_run:
                return clone(live), True
            if resource.key == NAMESPACES.key:
                return self._delete_namespace(live)
            if resource.key == CRDS.key:
                self._delete_all_of(live)
            return self._delete(resource, live, removal)

    # ---- how a write becomes one

    def _fresh(self, resource: Resource, obj: Mapping[str, Any]) -> Object:
        """A new object with all that the server gives it."""
        new: Object = clone({"apiVersion": resource.api_version, "kind": resource.kind, **obj})
        metadata = new["metadata"] = dict(new.get("metadata") or {})
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + suffix()
        self._check_namespace(resource, metadata)
        for name in ("resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"):
            metadata.pop(name, None)
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = self.now()
        if resource.counts_generations:
            metadata["generation"] = 1
        if "status" in resource.subresources:
            new.pop("status", None)
        return new

    def _check_namespace(self, resource: Resource, metadata: dict[str, Any]) -> None:
        if not resource.namespaced:
            metadata.pop("namespace", None)
            return
        namespace = metadata.get("namespace")
        if not namespace:
            raise bad_request("an empty namespace may not be set during creation")
        found = self._objects.get(NAMESPACES.key, {}).get(("", namespace))
        if found is None:
            raise not_found(NAMESPACES, namespace)
        if meta(found).get("deletionTimestamp"):
            raise terminating(resource, str(metadata.get("name", "")), namespace)

    def _admit(
        self, verb: str, resource: Resource, new: Object, old: Object | None, writer: Writer, subresource: str = ""
    ) -> None:
        """Default, validate, run the hooks, and validate what they made of it."""
        drop_empty(new["metadata"])
        defaults.fill(resource, new, old, self.shape(resource))
        validation.check(resource, new, old, self.shape(resource))
        admission = Admission(verb, resource, new, old, writer, subresource)
        for hook in self.hooks:
            hook(admission)
        if self.hooks:
            validation.check(resource, new, old, self.shape(resource))

    def _change(self, resource: Resource, old: Object | None, new: Object) -> fieldsets.Comparison:
        shape = self.shape(resource)
        bare = {"metadata": {}} if resource.custom else fieldsets.skeleton(shape)
        return fieldsets.compare(bare if old is None else old, new, shape)

    def _commit_new(
        self, resource: Resource, key: Key, new: Object, shares: ownership.Shares, writer: Writer
    ) -> Object:
        defaults.assign(resource, new, None)
        if shares:
            new["metadata"]["managedFields"] = ownership.write(shares)
        if not writer.dry_run:
            self._commit("ADDED", resource, key, new, None)
            self._settle_in(resource, new)
        return clone(new)  # type: ignore[no-any-return]

    def _replace(
        self,
        resource: Resource,
        live: Object,
        new: Object,
        subresource: str,
        writer: Writer,
        patched: bool = False,
        shares: ownership.Shares | None = None,
    ) -> Object:
        """The common end of update, patch and apply; `shares` is given by an apply."""
        check_version(resource, live, new, patched)
        new = kept_identity(resource, live, new, subresource)
        defaults.assign(resource, new, live)
        self._admit("update", resource, new, live, writer, subresource)
        count_generation(resource, live, new)
        if shares is None:
            manager = Manager(writer.manager, "Update", resource.api_version, subresource)
            change = self._change(resource, live, new)
            shares = ownership.after_update(ownership.read(live), manager, change, self.now())
        new["metadata"].pop("managedFields", None)
        if shares:
            new["metadata"]["managedFields"] = ownership.write(shares)
        if same(live, new):
            return clone(live)  # type: ignore[no-any-return]
        if writer.dry_run:
            return clone(new)  # type: ignore[no-any-return]
        return self._store_changed(resource, live, new)

    def _store_changed(self, resource: Resource, live: Object, new: Object) -> Object:
        key = (namespace_of(live), name_of(live))
        if (
            meta(new).get("deletionTimestamp")
            and not meta(new).get("finalizers")
            and not self._awaits_kubelet(resource, new)
        ):
            self._remove(resource, key, new)
        else:
            self._commit("MODIFIED", resource, key, new, live)
        return clone(new)  # type: ignore[no-any-return]

    def _patched(self, resource: Resource, live: Object, patch: Any, kind: str) -> Object:
        if kind == "strategic" and resource.custom:
            raise unsupported_media(
                "the body of the request was in an unknown format - accepted media types include: "
                "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
            )
        try:
            return self._decoded(resource, self._merged(resource, live, patch, kind))
        except ApiError as error:
            raise unfitting(resource, name_of(live), error) from error

    def _merged(self, resource: Resource, live: Object, patch: Any, kind: str) -> Any:
        if kind == "json":
            return patches.json_patch(live, patch)
        if kind == "strategic":
            return patches.strategic(live, self._decoded(resource, patch), self.shape(resource))
        return patches.merge(live, patch)

    def _decoded(self, resource: Resource, obj: Any) -> Object:
        """The object, if each of its values is of its field's type; raises `ApiError` 400."""
        if not isinstance(obj, dict):
            raise bad_request(f"json: cannot unmarshal {schemata.go_type(obj)} into a {resource.kind}")
        schemata.check_types(obj, self.shape(resource), resource)
        return obj

    def _stated(self, resource: Resource, config: Mapping[str, Any], namespace: str, name: str) -> Object:
        """The applied configuration with its identity, checked against the path."""
        stated: Object = clone({"apiVersion": resource.api_version, "kind": resource.kind, **config})
        metadata = stated["metadata"] = dict(stated.get("metadata") or {})
        if metadata.get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        metadata["name"] = name
        if namespace:
            metadata["namespace"] = namespace
        return stated

    def _apply_new(self, resource: Resource, stated: Object, manager: Manager, writer: Writer) -> Object:
        shape = self.shape(resource)
        new = self._fresh(resource, stated)
        fields = ownership.outside(frozenset(fieldsets.members(stated, shape)), "")
        shares = {manager: ownership.Share(fields, self.now())} if fields else {}
        self._admit("create", resource, new, None, writer)
        return self._commit_new(resource, (namespace_of(new), name_of(new)), new, shares, writer)

    # ---- what is stored

    def _commit(self, kind: str, resource: Resource, key: Key, new: Object, old: Object | None) -> None:
        version = self.history.next_version()
        new["metadata"]["resourceVersion"] = str(version)
        objects = self._objects.setdefault(resource.key, {})
        self._index(resource, key, old, new if kind != "DELETED" else None)
        if kind == "DELETED":
            objects.pop(key, None)
        else:
            objects[key] = new
        if resource.key == CRDS.key:
            defaults.serve_definition(self.registry, self.shapes, new, gone=kind == "DELETED")
        self.history.append(Event(version, kind, resource, new, old))

    def _index(self, resource: Resource, key: Key, old: Object | None, new: Object | None) -> None:
        """Keep track of who depends on whom."""
        for uid in owners(old) - owners(new):
            self._dependents.get(uid, set()).discard((resource.key, key))
        for uid in owners(new) - owners(old):
            self._dependents.setdefault(uid, set()).add((resource.key, key))

    def _remove(self, resource: Resource, key: Key, last: Object) -> None:
        """Take an object out for good, and collect what only it owned."""
        self._commit("DELETED", resource, key, clone(last), last)
        self._collect(meta(last)["uid"])
        if resource.namespaced:
            self._finish_namespace(key[0])

    def _delete(self, resource: Resource, live: Object, removal: Removal) -> tuple[Object, bool]:
        key = (namespace_of(live), name_of(live))
        uid = meta(live)["uid"]
        if removal.propagation == "Orphan":
            self._orphan(uid)
        if removal.propagation == "Foreground":
            self._collect(uid)
        waits = self._awaits_kubelet(resource, live) and removal.grace_seconds != 0
        if not meta(live).get("finalizers") and not waits:
            self._remove(resource, key, live)
            return clone(live), True
        if meta(live).get("deletionTimestamp"):
            return clone(live), False
        new = clone(live)
        new["metadata"]["deletionTimestamp"] = self.now()
        new["metadata"]["deletionGracePeriodSeconds"] = self._grace(resource, live, removal)
        if resource.counts_generations:
            new["metadata"]["generation"] = meta(live).get("generation", 1) + 1
        self._commit("MODIFIED", resource, key, new, live)
        return clone(new), False

    def _awaits_kubelet(self, resource: Resource, obj: Object) -> bool:
        """Whether a pod runs, so that its kubelet must end it before it goes."""
        if not self.graceful or resource.key != PODS.key or not obj.get("spec", {}).get("nodeName"):
            return False
        return bool(meta(obj).get("deletionGracePeriodSeconds", 1) != 0)

    def _grace(self, resource: Resource, live: Object, removal: Removal) -> int:
        if resource.key != PODS.key:
            return 0
        stated = live.get("spec", {}).get("terminationGracePeriodSeconds", 30)
        return int(stated if removal.grace_seconds is None else removal.grace_seconds)

    def _collect(self, uid: str) -> None:
        """Delete the dependents of an owner that is gone, unless another of their owners lives."""
        for resource_key, key in tuple(self._dependents.get(uid, ())):
            obj = self._objects.get(resource_key, {}).get(key)
            resource = self._resource(resource_key)
            if obj is None or resource is None:
                continue
            others = owners(obj) - {uid}
            if others and any(self._alive(other) for other in others):
                self._drop_owner(resource, obj, uid)
            else:
                self._delete(resource, obj, PLAIN)

    def _alive(self, uid: str) -> bool:
        return any(meta(obj)["uid"] == uid for objects in self._objects.values() for obj in objects.values())

    def _orphan(self, uid: str) -> None:
        for resource_key, key in tuple(self._dependents.get(uid, ())):
            resource = self._resource(resource_key)
            if resource is not None:
                self._drop_owner(resource, self._objects[resource_key][key], uid)

    def _drop_owner(self, resource: Resource, obj: Object, uid: str) -> None:
        new = clone(obj)
        kept = [reference for reference in meta(obj)["ownerReferences"] if reference["uid"] != uid]
        new["metadata"].pop("ownerReferences")
        new["metadata"] |= {"ownerReferences": kept} if kept else {}
        self._commit("MODIFIED", resource, (namespace_of(obj), name_of(obj)), new, obj)

    def _resource(self, key: str) -> Resource | None:
        return next((resource for resource in self.registry if resource.key == key), None)

    def _delete_all_of(self, crd: Object) -> None:
        """Delete the objects of a type whose definition goes."""
        spec = crd["spec"]
        resource = self._resource(f"{spec['names']['plural']}.{spec['group']}")
        if resource is not None:
            for obj in self.list(resource)[0]:
                self._delete(resource, obj, PLAIN)

    # ---- namespaces

    def _settle_in(self, resource: Resource, new: Object) -> None:
        """What controllers give every new namespace."""
        if resource.key != NAMESPACES.key:
            return
        manager = Writer("kube-controller-manager")
        self.create(SERVICE_ACCOUNTS, {"metadata": {"name": "default", "namespace": name_of(new)}}, manager)
        if self.root_ca:
            metadata = {"name": "kube-root-ca.crt", "namespace": name_of(new)}
            self.create(CONFIG_MAPS, {"metadata": metadata, "data": {"ca.crt": self.root_ca}}, manager)

    def _delete_namespace(self, live: Object) -> tuple[Object, bool]:
        """Mark it, delete all it holds, and let it go once it is empty."""
        name = name_of(live)
        if meta(live).get("deletionTimestamp"):
            return clone(live), False
        new = clone(live)
        new["metadata"]["deletionTimestamp"] = self.now()
        new["status"] = {"phase": "Terminating"}
        self._commit("MODIFIED", NAMESPACES, ("", name), new, live)
        for resource in self.registry:
            if resource.namespaced:
                for obj in self.list(resource, name)[0]:
                    self._delete(resource, obj, PLAIN)
        self._finish_namespace(name)
        return clone(new), False

    def _finish_namespace(self, name: str) -> None:
        found = self._objects.get(NAMESPACES.key, {}).get(("", name))
        if found is None or not meta(found).get("deletionTimestamp") or meta(found).get("finalizers"):
            return
        if not any(key[0] == name for objects in self._objects.values() for key in objects):
            self._remove(NAMESPACES, ("", name), found)


__all__ = ["LAB", "PLAIN", "Admission", "Hook", "Key", "Removal", "Store", "Writer"]
