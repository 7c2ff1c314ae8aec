"""An Observation: one consistent read of everything relevant, with private keys already dropped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from kntls.model.kinds import Kind
from kntls.model.objects import Object, ObjectRef, labels_of, name_of, namespace_of


@dataclass(frozen=True)
class Unread:
    """Something that could not be looked at, and why; reports always list these."""

    what: str
    """`secrets in namespace team-a`, `handshakes`."""
    reason: str
    """`forbidden: list secrets`, `offline`."""


@dataclass(frozen=True)
class Presented:
    """What one server showed in a TLS handshake."""

    server: ObjectRef
    """The pod."""
    role: str
    """`activator`, `queue-proxy`, `gateway`."""
    address: str
    """`ip:port`."""
    server_name: str
    """The SNI that was sent."""
    chain: tuple[bytes, ...]
    """DER certificates, leaf first; empty when the handshake failed."""
    error: str = ""
    """Why there is no chain: `connection refused`, `timed out`, `forbidden: …`."""

    @property
    def denied(self) -> bool:
        """Whether we may not greet it: that says nothing about the server."""
        return self.error.startswith("forbidden")


@dataclass(frozen=True, eq=False)
class Observation:
    """Everything judgement may look at. Secrets hold certificates and a public-key hash only."""

    source: str
    """`context kind-kind`, `3 files`."""
    taken_at: datetime
    """UTC."""
    objects: Mapping[Kind, tuple[Object, ...]] = field(default_factory=dict)
    unread: tuple[Unread, ...] = ()
    presented: tuple[Presented, ...] = ()
    live: bool = False
    """Whether this is a cluster; files cannot answer everything."""

    @cached_property
    def _indexes(self) -> dict[Kind, dict[str, dict[str, Object]]]:
        return {}

    def _index(self, kind: Kind) -> dict[str, dict[str, Object]]:
        """The objects of a kind by namespace and name; made when first asked for."""
        if kind not in self._indexes:
            index: dict[str, dict[str, Object]] = {}
            for obj in self.objects.get(kind, ()):
                index.setdefault(namespace_of(obj), {})[name_of(obj)] = obj
            self._indexes[kind] = index
        return self._indexes[kind]

    def all(self, kind: Kind, *, namespace: str | None = None, label: str | None = None) -> Iterator[Object]:
        """Objects of a kind, optionally of one namespace and carrying a label (whatever its value)."""
        every = self.objects.get(kind, ()) if namespace is None else self._index(kind).get(namespace, {}).values()
        for obj in every:
            if label is None or label in labels_of(obj):
                yield obj

    def get(self, kind: Kind, name: str, namespace: str = "") -> Object | None:
        """One object, or None."""
        return self._index(kind).get(namespace, {}).get(name)

    def find(self, ref: ObjectRef) -> Object | None:
        """The object a reference names, or None."""
        return self.get(ref.kind, ref.name, ref.namespace)

    def mentions(self, namespace: str) -> bool:
        """Whether any object of that namespace was seen."""
        return any(namespace in self._index(kind) for kind in self.objects)

    def knows(self, kind: Kind) -> bool:
        """Whether this kind was read at all (an empty list is knowledge; a missing one is not)."""
        return kind in self.objects

    def with_objects(self, fresh: Mapping[Kind, Iterable[Object]], taken_at: datetime | None = None) -> Observation:
        """The same observation with some kinds read anew."""
        merged = {**self.objects, **{kind: tuple(items) for kind, items in fresh.items()}}
        return replace(self, objects=merged, taken_at=taken_at or self.taken_at)
