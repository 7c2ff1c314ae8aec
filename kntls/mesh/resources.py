"""Kubernetes manifests and bundle files as resources: what they are, where they stand, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kntls.errors import InputError
from kntls.mesh import schema
from kntls.mesh.shapes import METADATA, SHAPES
from kntls.observe import manifests
from kntls.observe.documents import documents

_HOMES = {kind: group for group, kinds in schema.GROUPS.items() for kind in kinds}
_AMBIGUOUS = frozenset({"Gateway"})  # gateway.networking.k8s.io has one too


@dataclass(frozen=True)
class Resource:
    """One object of a manifest or a bundle, with the place where it was read."""

    body: Mapping[str, Any] = field(repr=False)
    """The whole object."""
    location: str = ""
    """`policies.yaml document 2`."""

    @property
    def kind(self) -> str:
        """`kind`."""
        return str(self.body.get("kind", ""))

    @property
    def group(self) -> str:
        """The API group of `apiVersion`, empty for the core group."""
        return str(self.body.get("apiVersion", "")).rpartition("/")[0]

    @property
    def metadata(self) -> Mapping[str, Any]:
        """`metadata`."""
        return self.body.get("metadata") or {}

    @property
    def name(self) -> str:
        """`metadata.name`."""
        return str(self.metadata.get("name", ""))

    @property
    def namespace(self) -> str:
        """`metadata.namespace`; what kubectl would use where there is none."""
        return str(self.metadata.get("namespace") or "default")

    @property
    def labels(self) -> Mapping[str, str]:
        """`metadata.labels`."""
        return self.metadata.get("labels") or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        """`metadata.annotations`."""
        return self.metadata.get("annotations") or {}

    @property
    def created(self) -> str:
        """`metadata.creationTimestamp`, RFC 3339; empty in a file that was never applied."""
        return str(self.metadata.get("creationTimestamp") or "")

    @property
    def spec(self) -> Mapping[str, Any]:
        """`spec`."""
        return self.body.get("spec") or {}

    @property
    def where(self) -> str:
        """`policies.yaml document 2, AuthorizationPolicy foo/allow`."""
        place = f"{self.location}, " if self.location else ""
        return place + " ".join(f"{self.kind} {self.namespace}/{self.name}".split())

    def error(self, path: str, what: str, *, fix: str = "") -> InputError:
        """What is wrong with one field, with file, document and object named."""
        return InputError(f"{path}: {what}" if path else what, where=self.where, fix=fix)


@dataclass(frozen=True)
class Resources:
    """Everything that was read: the objects, and the bundles that a table of cases picks from."""

    objects: tuple[Resource, ...] = ()
    bundles: Mapping[str, tuple[Resource, ...]] = field(default_factory=dict)

    def all(self, *kinds: str) -> Iterator[Resource]:
        """The objects of these kinds (of Istio's group where other groups have the kind too)."""
        return (found for found in self.objects if found.kind in kinds and _is_ours(found))

    def in_group(self, kind: str, group: str) -> Iterator[Resource]:
        """The objects of that kind and API group (`Service` of `serving.knative.dev`, say)."""
        return (found for found in self.objects if found.kind == kind and found.group == group)

    def with_bundles(self, names: Iterable[str]) -> Resources:
        """The objects, and those of the named bundles; a KeyError names a bundle that does not exist."""
        picked = tuple(found for name in names for found in self.bundles[name])
        return Resources((*self.objects, *picked), self.bundles)


def _is_ours(found: Resource) -> bool:
    home = _HOMES.get(found.kind)
    return home is None or found.group == home


def read(paths: Sequence[str], *, stdin: str | None = None) -> Resources:
    """Read manifests and bundle files: files, directories (recursively), or `-` for standard input.

    `stdin` replaces standard input. Raises `InputError`, naming file, document and field, for text that is not YAML,
    a document that is no object, an unknown Istio kind, an unknown field, a value of the wrong type, or no document at
    all.
    """
    objects: list[Resource] = []
    bundles: dict[str, tuple[Resource, ...]] = {}
    empty = True
    for name, text in manifests.texts(paths, stdin):
        for location, document in documents(name, text):
            empty = False
            if set(document) == {"bundles"}:
                bundles |= _bundles(name, document["bundles"])
            else:
                objects += _resources(location, document)
    if paths and empty:
        names = ("standard input" if path == "-" else path for path in paths)
        raise InputError("holds no Kubernetes object", where=", ".join(names))
    return Resources(tuple(objects), bundles)


def from_objects(objects: Iterable[Mapping[str, Any]], location: str = "") -> Resources:
    """Resources from objects at hand (an API server's answer), checked as `read` checks."""
    return Resources(tuple(found for item in objects for found in _resources(location, item)))


def _resources(location: str, document: Mapping[str, Any]) -> Iterator[Resource]:
    return (_checked(Resource(body, place)) for place, body in manifests.objects(location, document))


def _bundles(name: str, bundles: Any) -> dict[str, tuple[Resource, ...]]:
    if not isinstance(bundles, Mapping):
        raise InputError("bundles: must be a mapping from name to a list of policies", where=name)
    return {str(key): tuple(_bundle_entries(f"{name} bundle {key}", entries)) for key, entries in bundles.items()}


def _bundle_entries(place: str, entries: Any) -> Iterator[Resource]:
    if not isinstance(entries, list):
        raise InputError("must be a list", where=place)
    for index, entry in enumerate(entries):
        location = f"{place} entry {index}"
        if not isinstance(entry, Mapping):
            raise InputError("must be a mapping with k, ns, n and spec", where=location)
        if unknown := sorted(set(map(str, entry)) - _ENTRY_FIELDS):
            raise InputError(
                f"unknown field {unknown[0]!r}; known here: {', '.join(sorted(_ENTRY_FIELDS))}", where=location
            )
        yield _checked(Resource(_expanded(entry, location), location))


_ENTRY_FIELDS = frozenset({"k", "ns", "n", "spec", "annotations", "labels", "created"})


def _expanded(entry: Mapping[str, Any], location: str) -> Mapping[str, Any]:
    """A bundle's entry (`k` kind, `ns`, `n` name, `spec`) as the object it stands for."""
    kind = entry.get("k")
    if not isinstance(kind, str) or kind not in _HOMES:
        raise InputError(f"k: unknown kind {kind!r}", where=location)
    metadata = {
        "name": entry.get("n"),
        "namespace": entry.get("ns"),
        "annotations": entry.get("annotations"),
        "labels": entry.get("labels"),
        "creationTimestamp": entry.get("created"),
    }
    return {
        "apiVersion": f"{_HOMES[kind]}/v1",
        "kind": kind,
        "metadata": {key: value for key, value in metadata.items() if value is not None},
        "spec": entry.get("spec"),
    }


def _checked(found: Resource) -> Resource:
    _check_identity(found)
    for path, what in _misshapen(found):
        raise found.error(path, what)
    if found.kind in schema.SPECS and _is_ours(found):
        for key in found.body:
            if key not in ("apiVersion", "kind", "metadata", "spec", "status"):
                raise found.error(str(key), "unknown field; known here: apiVersion, kind, metadata, spec, status")
        for path, what in schema.SPECS[found.kind].problems(found.spec, "spec"):
            raise found.error(path, what)
    return found


def _misshapen(found: Resource) -> Iterator[tuple[str, str]]:
    yield from METADATA.problems(found.metadata, "metadata")
    if (shape := SHAPES.get((found.group, found.kind))) is not None:
        for path, what in shape.problems(found.body, ""):
            yield path.removeprefix("."), what


def _check_identity(found: Resource) -> None:
    where = found.location
    body = found.body
    for key in ("apiVersion", "kind"):
        if not isinstance(body.get(key), str) or not body[key]:
            raise InputError(f"{key}: missing; every Kubernetes object has one", where=where)
    if not isinstance(found.metadata, Mapping) or not (found.name or found.metadata.get("generateName")):
        raise InputError(f"{found.kind}: metadata.name: missing", where=where)
    if not isinstance(body.get("spec", {}), Mapping | None):
        raise found.error("spec", "must be a mapping")
    kinds = schema.GROUPS.get(found.group)
    if kinds is not None and found.kind not in kinds:
        raise found.error("kind", f"{found.group} has no kind {found.kind!r}; it has {', '.join(sorted(kinds))}")
    home = _HOMES.get(found.kind)
    if found.kind in schema.SPECS and found.group != home and found.kind not in _AMBIGUOUS:
        raise found.error("apiVersion", f"{body['apiVersion']!r} has no {found.kind}", fix=f"use {home}/v1")
