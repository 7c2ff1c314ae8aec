"""What was asked for: which surfaces, signed by whom, under which names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kntls.certmanager import installation as certmanager
from kntls.certmanager.installation import CertManager
from kntls.certmanager.manifests import RootOptions
from kntls.knative import installation as knative
from kntls.knative.config import Network, network
from kntls.knative.installation import Installation
from kntls.knative.names import Surface
from kntls.model.objects import ObjectRef
from kntls.model.observation import Observation
from kntls.trust.bundles import BUNDLE_NAME


@dataclass(frozen=True)
class Request:
    """One call of `enable` or `disable`."""

    surfaces: frozenset[Surface]
    holder: str
    """The name under which Leases are held."""
    issuers: Mapping[Surface, str] = field(default_factory=dict)
    """ClusterIssuers that were named; the others are found or made."""
    root: RootOptions = field(default_factory=RootOptions)
    bundle_name: str = BUNDLE_NAME
    adopted: tuple[ObjectRef, ...] = ()
    may_hold: bool = True
    """Whether we may write Leases, Deployments and delete pods in Serving's namespace."""
    clean: bool = False
    """Delete what surfaces that are off left behind."""


@dataclass(frozen=True)
class Ground:
    """What every step stands on: the request and what is installed, found once when the plan is made."""

    request: Request
    installation: Installation
    manager: CertManager | None
    """cert-manager; None where it is not needed and not there."""
    started: datetime
    """When the plan was made (UTC); stands in where the cluster does not say when its configuration changed."""
    operator_is_held: bool = False
    """Whether nobody puts ConfigMaps right while the plan is carried out: they are written directly, too."""

    @property
    def namespace(self) -> str:
        """Serving's namespace."""
        return self.installation.namespace

    @property
    def resource_namespace(self) -> str:
        """Where the Secrets of ClusterIssuers lie."""
        return self.manager.resource_namespace if self.manager else ""

    def network(self, observation: Observation) -> Network:
        """config-network now."""
        return network(observation, self.namespace)

    def wants(self, surface: Surface) -> bool:
        """Whether that surface was asked for."""
        return surface in self.request.surfaces


def ground_of(observation: Observation, request: Request, *, signing: bool = True) -> Ground:
    """What the request stands on; cert-manager only where something is to be signed.

    Raises what detection raises, and `Refused` for versions that cannot.
    """
    installation = knative.detect(observation)
    knative.require_supported(installation)
    manager = certmanager.detect(observation) if signing else None
    if manager is not None:
        certmanager.require_supported(manager)
    return Ground(request, installation, manager, observation.taken_at)
