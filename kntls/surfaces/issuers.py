"""Who signs: issuers that are named, configured or made, each judged for the surface it is to sign for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from kntls.certmanager.authority import Authority, authority_in, cluster_issuer, is_current, secret_of
from kntls.certmanager.issuers import CA, Answer, kind_of
from kntls.certmanager.manifests import (
    CA_ISSUER,
    ROOT_CERTIFICATE,
    ROOT_SECRET,
    SELF_SIGNED_ISSUER,
    ca_issuer,
    root_certificate,
    self_signed_issuer,
)
from kntls.cluster.client import ref_of
from kntls.errors import NotFound
from kntls.knative.config import IssuerRef, issuer_ref
from kntls.knative.installation import SHARED_ISSUER_BUG
from kntls.knative.names import CONFIG_CERTMANAGER, Surface
from kntls.model.kinds import CERTIFICATE, CLUSTER_ISSUER, CONFIG_MAP, SECRET
from kntls.model.objects import Object, ObjectRef, dig, name_of, namespace_of
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Progress, Verb
from kntls.pki.authority import lint_ca
from kntls.surfaces.request import Ground

LEAF_LIFETIME = timedelta(days=90)
"""cert-manager's default; Knative sets none of its own."""


def configured(observation: Observation, ground: Ground, surface: Surface) -> IssuerRef | None:
    """The issuer that config-certmanager names for a surface; None where it is left to Knative's default."""
    found = observation.get(CONFIG_MAP, CONFIG_CERTMANAGER, ground.namespace) or {}
    reference = issuer_ref(observation, ground.namespace, surface)
    return reference if surface.issuer_key in dig(found, "data", default={}) else None


def chosen(observation: Observation, ground: Ground) -> dict[Surface, str]:
    """The ClusterIssuer of each surface that was asked for: named, else the present one, else the one kntls makes."""
    return {surface: _chosen(observation, ground, surface) for surface in Surface if ground.wants(surface)}


def _chosen(observation: Observation, ground: Ground, surface: Surface) -> str:
    if surface in ground.request.issuers:
        return ground.request.issuers[surface]
    present = configured(observation, ground, surface)
    if ground.network(observation).on(surface):
        return issuer_ref(observation, ground.namespace, surface).name
    exists = present is not None and observation.get(CLUSTER_ISSUER, present.name) is not None
    return present.name if present and exists else CA_ISSUER


def is_ours_to_make(observation: Observation, name: str) -> bool:
    """Whether that issuer does not exist and is the one kntls makes."""
    return name == CA_ISSUER and observation.get(CLUSTER_ISSUER, name) is None


def authority_of(observation: Observation, ground: Ground, name: str) -> Authority | None:
    """The CA behind a CA ClusterIssuer; None where it does not exist, is of another kind, or has none yet."""
    issuer = observation.get(CLUSTER_ISSUER, name)
    if issuer is None or kind_of(issuer) != CA:
        return None
    return authority_in(observation, secret_of(issuer, ground.resource_namespace))


def to_probe(observation: Observation, ground: Ground) -> dict[str, tuple[Surface, ...]]:
    """Issuers of which only a CertificateRequest tells what they sign, each with its surfaces."""
    found: dict[str, tuple[Surface, ...]] = {}
    for surface, name in chosen(observation, ground).items():
        issuer = observation.get(CLUSTER_ISSUER, name)
        if issuer is not None and _answer(issuer, surface) == Answer.PROBE:
            found[name] = (*found.get(name, ()), surface)
    return found


def _answer(issuer: Object, surface: Surface) -> Answer:
    kind = kind_of(issuer)
    return kind.public_names if surface == Surface.EXTERNAL_DOMAIN else kind.internal_names


def refusals(observation: Observation, ground: Ground) -> Iterator[str]:
    """Why the chosen issuers will not do. Raises `NotFound` for a named one that does not exist."""
    names = chosen(observation, ground)
    for surface, name in names.items():
        yield from _reference(observation, ground, surface, name)
        if not is_ours_to_make(observation, name):
            yield from _issuer(observation, ground, surface, _existing(observation, name))
        elif problem := _root_in_the_way(observation, ground):
            yield problem
    if ground.installation.release in SHARED_ISSUER_BUG and len(_all_names(observation, ground, names)) > 1:
        version = ground.installation.version
        yield f"Knative Serving {version} signs every surface with one issuer (fix: upgrade to 1.15.2, or name one)"


def _all_names(observation: Observation, ground: Ground, names: dict[Surface, str]) -> set[str]:
    others = [surface for surface in ground.network(observation).surfaces if surface not in names]
    return {*names.values(), *(issuer_ref(observation, ground.namespace, surface).name for surface in others)}


def _existing(observation: Observation, name: str) -> Object:
    try:
        return cluster_issuer(observation, name)
    except NotFound as error:
        what = f"ClusterIssuer {name} does not exist"
        raise NotFound(what, fix=f"{error.fix}; without --issuer kntls makes a CA of its own") from None


def _reference(observation: Observation, ground: Ground, surface: Surface, name: str) -> Iterator[str]:
    present = issuer_ref(observation, ground.namespace, surface)
    if not ground.network(observation).on(surface):
        return
    if present.kind != "ClusterIssuer":
        yield (
            f"{surface} is signed by {present}: Knative looks for a ClusterIssuer of that name at every renewal and "
            "drops TLS without one (fix: disable the surface, then enable it with a ClusterIssuer)"
        )
    elif present.name != name:
        yield (
            f"{surface} is on and signed by {present}: naming another issuer takes TLS away until everything is "
            f"issued again (fix: kntls rotate-ca --issuer {present.name} --new-secret NAME replaces its CA instead)"
        )


def _issuer(observation: Observation, ground: Ground, surface: Surface, issuer: Object) -> Iterator[str]:
    kind, name = kind_of(issuer), name_of(issuer)
    if _answer(issuer, surface) == Answer.NO:
        yield f"ClusterIssuer {name} ({kind.name}) cannot sign for {surface}: {kind.reason}"
    elif kind == CA and not is_current(issuer) and not _is_fresh(issuer):
        yield f"ClusterIssuer {name} is not Ready (fix: kubectl describe clusterissuer {name})"
    elif kind == CA:
        yield from _ca(observation, ground, name)


def _is_fresh(issuer: Object) -> bool:
    """Made a moment ago by a run that was interrupted: cert-manager has not looked at it yet."""
    return not dig(issuer, "status", "conditions", default=[])


def _ca(observation: Observation, ground: Ground, name: str) -> Iterator[str]:
    found = authority_of(observation, ground, name)
    if found is None:
        return
    material = found.material
    problems = lint_ca(
        material.chain, material.ca_crt, material.public_key, at=observation.taken_at, leaf_lifetime=LEAF_LIFETIME
    )
    for problem in problems:
        if problem.fatal:
            yield f"ClusterIssuer {name}, {found.secret}: {problem.text}"


def _root_in_the_way(observation: Observation, ground: Ground) -> str:
    """Why the Secret that already has our root's name cannot be it; empty where there is none or it is a CA."""
    ref = ObjectRef(SECRET, ROOT_SECRET, ground.resource_namespace)
    secret = observation.find(ref)
    found = authority_in(observation, ref)
    if secret is None or (found is not None and found.signer.is_ca):
        return ""
    return f"{ref} exists and is no CA: it will not be overwritten (fix: rename it, or --issuer NAME)"


def _common_name(observation: Observation, ground: Ground) -> str:
    """The wanted one, or with the Secret's name behind it where another CA has it: equal names mislead OpenSSL."""
    wanted = ground.request.root.common_name
    secrets = observation.all(SECRET, namespace=ground.resource_namespace)
    cas = [authority_in(observation, ObjectRef(SECRET, name_of(obj), namespace_of(obj))) for obj in secrets]
    taken = {ca.signer.common_name for ca in cas if ca is not None}
    candidates = (wanted, f"{wanted} {ROOT_SECRET}", f"{wanted} {ground.started:%Y-%m-%d %H%M%S}")
    return next(name for name in candidates if name not in taken or name == candidates[-1])


def manifests(observation: Observation, ground: Ground) -> tuple[Object, ...]:
    """The SelfSigned ClusterIssuer, the root Certificate and the CA ClusterIssuer, as far as they do not exist."""
    space = ground.resource_namespace
    options = replace(ground.request.root, common_name=_common_name(observation, ground))
    has_root = observation.get(SECRET, ROOT_SECRET, space) or observation.get(CERTIFICATE, ROOT_CERTIFICATE, space)
    root = () if has_root else (self_signed_issuer(), root_certificate(ROOT_CERTIFICATE, ROOT_SECRET, space, options))
    wanted = (*root, ca_issuer(ROOT_SECRET))
    return tuple(body for body in wanted if observation.find(ref_of(body)) is None)


def actions(observation: Observation, ground: Ground) -> tuple[Action, ...]:
    """Make what is missing of our own issuers, and see that each chosen CA issuer is Ready with a CA."""
    names = dict.fromkeys(chosen(observation, ground).values())
    made = is_ours_to_make(observation, CA_ISSUER) and CA_ISSUER in names
    return tuple(
        _making(ground) if name == CA_ISSUER and made else _waiting(ground, name)
        for name in names
        if made or _is_ca(observation, name)
    )


def _is_ca(observation: Observation, name: str) -> bool:
    issuer = observation.get(CLUSTER_ISSUER, name)
    return issuer is not None and kind_of(issuer) == CA


READS = frozenset({CLUSTER_ISSUER, CERTIFICATE, SECRET})


def ready(observation: Observation, ground: Ground, name: str) -> Progress:
    """Whether that CA ClusterIssuer is Ready and its CA is there."""
    issuer = observation.get(CLUSTER_ISSUER, name)
    there = authority_of(observation, ground, name) is not None
    return Progress.of({f"ClusterIssuer {name} Ready with a CA": there and issuer is not None and is_current(issuer)})


def _making(ground: Ground) -> Action:
    def changes(observation: Observation) -> tuple[Change, ...]:
        return tuple(Change(Verb.APPLY, ref_of(body), body) for body in manifests(observation, ground))

    return Action(
        f"issuer/{CA_ISSUER}",
        f"Make a CA: ClusterIssuer {SELF_SIGNED_ISSUER}, Certificate {ROOT_CERTIFICATE}, ClusterIssuer {CA_ISSUER}",
        lambda observation: ready(observation, ground, CA_ISSUER),
        changes,
        reads=READS,
    )


def _waiting(ground: Ground, name: str) -> Action:
    return Action(
        f"issuer/{name}",
        f"See ClusterIssuer {name} Ready with its CA",
        lambda observation: ready(observation, ground, name),
        reads=READS,
    )
