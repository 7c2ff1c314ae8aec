"""What checks judge by: an observation, with everything several of them need worked out once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from shlex import quote
from typing import Any

from kntls.certmanager.authority import Authority, authority_in, secret_of
from kntls.certmanager.installation import CertManager
from kntls.certmanager.installation import detect as detect_cert_manager
from kntls.certmanager.leaves import Leaf, leaf_of
from kntls.errors import InputError, NotInstalled, Refused
from kntls.knative.config import IssuerRef, Network, issuer_ref, network
from kntls.knative.installation import Flavour, Installation
from kntls.knative.installation import detect as detect_knative
from kntls.knative.names import CERTIFICATE_TYPE_LABEL, CONFIG_NETWORK, Surface
from kntls.model.kinds import CERTIFICATE, CLUSTER_ISSUER, CONFIG_MAP, KCERT, REVISION, Kind
from kntls.model.objects import Object, ObjectRef, dig, is_true, labels_of, name_of, namespace_of
from kntls.model.observation import Observation
from kntls.pki.authority import Problem as Flaw
from kntls.pki.authority import lint_certificate
from kntls.trust.bundles import TrustBundle, published
from kntls.trust.consumers import EffectiveTrust, consumers, effective_trust

LEAF_LIFETIME = timedelta(days=90)
"""cert-manager's default; Knative sets no duration (cert-manager `types_certificate.go`)."""


def parse_time(value: object) -> datetime | None:
    """A time as the API server writes it; None where there is none."""
    try:
        return datetime.fromisoformat(str(value)) if value else None
    except ValueError:
        return None


@dataclass(frozen=True, eq=False)
class Facts:
    """An observation and what follows from it."""

    observation: Observation

    @property
    def at(self) -> datetime:
        """When the observation was made; UTC."""
        return self.observation.taken_at

    @cached_property
    def installation(self) -> Installation | None:
        """Knative Serving as found; None where it is not."""
        try:
            return detect_knative(self.observation)
        except NotInstalled:
            return None

    @cached_property
    def manager(self) -> CertManager | None:
        """cert-manager as found; None where it is not."""
        try:
            return detect_cert_manager(self.observation)
        except NotInstalled:
            return None

    @property
    def serving(self) -> str:
        """Where Knative's controller and activator run; empty where Knative is not found."""
        return self.installation.namespace if self.installation else ""

    @property
    def resources(self) -> str:
        """Where Secrets of ClusterIssuers lie; empty where cert-manager is not found."""
        return self.manager.resource_namespace if self.manager else ""

    @cached_property
    def settings(self) -> Network | None:
        """config-network; None where it was not read."""
        if self.observation.get(CONFIG_MAP, CONFIG_NETWORK, self.serving) is None:
            return None
        return network(self.observation, self.serving)

    @property
    def surfaces(self) -> tuple[Surface, ...]:
        """The surfaces that are on."""
        return self.settings.surfaces if self.settings else ()

    def covers(self, kind: Kind, namespace: str) -> bool:
        """Whether objects of that kind were read in that namespace; files often hold a few namespaces only."""
        whole = self.observation.live and self.observation.knows(kind)
        return whole or any(True for _ in self.observation.all(kind, namespace=namespace))

    def config(self, name: str) -> dict[str, str]:
        """The data of one of Knative's ConfigMaps, without `_example`."""
        data = dig(self.observation.get(CONFIG_MAP, name, self.serving) or {}, "data", default={})
        return {key: str(value) for key, value in data.items() if key != "_example"}

    def config_ref(self, name: str = CONFIG_NETWORK) -> ObjectRef:
        """The reference of one of Knative's ConfigMaps."""
        return ObjectRef(CONFIG_MAP, name, self.serving)

    def set_config(self, name: str, key: str, value: str | None, **more: str | None) -> str:
        """The command that sets (or, for None, removes) keys, where whoever owns the configuration keeps them."""
        data = {key: value, **more}
        if self.installation and self.installation.flavour != Flavour.UPSTREAM and self.installation.operator:
            config = dig(self.observation.find(self.installation.operator) or {}, "spec", "config", default={})
            # Where it has the long name, the short one is ignored (operator `config_maps.go`).
            spelling = name if name in config else name.removeprefix("config-")
            patch: dict[str, Any] = {"spec": {"config": {spelling: data}}}
            target = self.installation.operator.kubectl
        else:
            patch, target = {"data": data}, self.config_ref(name).kubectl
        return f"kubectl patch {target} --type merge -p {quote(json.dumps(patch))}"

    @cached_property
    def issuers(self) -> dict[Surface, IssuerRef]:
        """The issuer each surface names that is on; what cannot be parsed is left out."""
        found = {}
        for surface in self.surfaces:
            try:
                found[surface] = issuer_ref(self.observation, self.serving, surface)
            except InputError:
                continue
        return found

    @cached_property
    def named_issuers(self) -> dict[str, Object]:
        """The ClusterIssuers those surfaces name, by name, where they exist."""
        names = {ref.name for ref in self.issuers.values() if ref.kind == CLUSTER_ISSUER.name}
        found = {name: self.observation.get(CLUSTER_ISSUER, name) for name in sorted(names)}
        return {name: obj for name, obj in found.items() if obj is not None}

    @cached_property
    def ca_secrets(self) -> dict[str, ObjectRef]:
        """The Secret each of those issuers signs with; issuers that are no CA issuers are left out, and all of them
        where nobody knows in which namespace cert-manager looks."""
        found = {}
        for name, issuer in self.named_issuers.items() if self.manager else ():
            try:
                found[name] = secret_of(issuer, self.resources)
            except Refused:
                continue
        return found

    @cached_property
    def authorities(self) -> dict[str, Authority]:
        """The CA behind each of those issuers, where its Secret holds one."""
        found = {name: authority_in(self.observation, ref) for name, ref in self.ca_secrets.items()}
        return {name: ca for name, ca in found.items() if ca is not None}

    def authority_of(self, leaf: Leaf) -> Authority | None:
        """The CA that the leaf's issuer signs with now."""
        return self.authorities.get(leaf.issuer)

    @cached_property
    def kcerts(self) -> tuple[Object, ...]:
        """Knative's certificates of the surfaces that are on."""
        return tuple(obj for obj in self.observation.all(KCERT) if surface_of(obj) in self.surfaces)

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """What cert-manager made of them."""
        found = (self.observation.get(CERTIFICATE, name_of(kcert), namespace_of(kcert)) for kcert in self.kcerts)
        return tuple(leaf_of(self.observation, certificate) for certificate in found if certificate is not None)

    @property
    def issued(self) -> Iterator[Leaf]:
        """The leaves whose Secret holds a certificate."""
        return (leaf for leaf in self.leaves if leaf.x509 is not None)

    @cached_property
    def flaws(self) -> tuple[tuple[Leaf, Flaw], ...]:
        """What the leaf lint says of each leaf, beside the issuer's CA where that signed it."""
        found = []
        for leaf in self.issued:
            ca = self.authority_of(leaf)
            issuer = ca.signer if ca and leaf.signed_by(ca.signer) else None
            flaws = lint_certificate(leaf.x509, issuer, at=self.at) if leaf.x509 else ()
            found += [(leaf, flaw) for flaw in flaws]
        return tuple(found)

    @cached_property
    def published(self) -> tuple[TrustBundle, ...]:
        """What kntls published into user namespaces."""
        return tuple(published(self.observation))

    @cached_property
    def trusts(self) -> tuple[EffectiveTrust, ...]:
        """What each of Knative's own consumers accepts."""
        if self.installation is None:
            return ()
        return tuple(effective_trust(self.observation, consumer) for consumer in consumers(self.installation))

    @cached_property
    def tenants(self) -> tuple[str, ...]:
        """Namespaces with Revisions."""
        return tuple(sorted({namespace_of(obj) for obj in self.observation.all(REVISION)}))


def available(deployment: Object) -> bool:
    """Whether somebody is there to do the work; a Deployment scaled to none counts as Available for Kubernetes."""
    wanted = dig(deployment, "spec", "replicas", default=1)
    return bool(wanted) and is_true(deployment, "Available")


def environment(deployment: Object) -> dict[str, str]:
    """The plain environment variables of a Deployment's containers."""
    containers = dig(deployment, "spec", "template", "spec", "containers", default=[])
    return {env["name"]: str(env.get("value", "")) for entry in containers for env in entry.get("env", [])}


def surface_of(kcert: Object) -> Surface:
    """The surface a KCert belongs to; one without the label is a wildcard, hence external."""
    kind = labels_of(kcert).get(CERTIFICATE_TYPE_LABEL, "")
    return next((surface for surface in Surface if surface.certificate_type == kind), Surface.EXTERNAL_DOMAIN)


def ref_of(obj: Object) -> ObjectRef:
    """The reference of an observed object. Raises `KeyError` for a kind kntls does not know."""
    from kntls.model.kinds import by_manifest

    kind = by_manifest(str(obj.get("apiVersion", "")), str(obj.get("kind", "")))
    if kind is None:
        raise KeyError(obj.get("kind"))
    return ObjectRef(kind, name_of(obj), namespace_of(obj))
