"""Stage 1, prepare: the new CA exists in its own Secret and is fit to sign."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from kntls.certmanager.leaves import leaves_of
from kntls.certmanager.manifests import SELF_SIGNED_ISSUER, root_certificate, self_signed_issuer
from kntls.model.kinds import CERTIFICATE, CLUSTER_ISSUER, SECRET
from kntls.model.objects import Object, ObjectRef, dig, namespace_of
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Progress, Verb
from kntls.pki.authority import Problem, lint_ca
from kntls.rotation.situation import Situation, Target, authorities, situation
from kntls.rotation.stages.stage import Stage


def root_of(observation: Observation, secret: ObjectRef) -> Object | None:
    """The Certificate that makes a CA's Secret."""
    return next(
        (
            obj
            for obj in observation.all(CERTIFICATE, namespace=secret.namespace)
            if dig(obj, "spec", "secretName") == secret.name and namespace_of(obj) == secret.namespace
        ),
        None,
    )


def common_name(now: Situation) -> str:
    """The new CA's common name: the wanted one, else the first generation's with the Secret's name behind it.

    Every generation has its own: with equal names nobody can tell two CAs apart, and OpenSSL picks the wrong one.
    """
    taken = {ca.signer.common_name for ca in authorities(now.observation, now.manager.resource_namespace)}
    wanted = now.target.root.common_name
    candidates = [wanted, f"{wanted} {now.target.new_secret}"]
    dated = f"{wanted} {now.observation.taken_at:%Y-%m-%d %H%M%S}"
    return next((name for name in candidates if name not in taken), dated)


def _manifests(now: Situation) -> tuple[dict[str, object], ...]:
    root = root_of(now.observation, now.current.secret) if now.current else None
    maker = str(dig(root or {}, "spec", "issuerRef", "name", default=SELF_SIGNED_ISSUER))
    options = replace(now.target.root, common_name=common_name(now))
    name = now.target.new_secret
    certificate = root_certificate(name, name, now.manager.resource_namespace, options, maker)
    if now.observation.get(CLUSTER_ISSUER, maker) is None:
        return (self_signed_issuer(maker), certificate)
    return (certificate,)


def problems(now: Situation) -> tuple[Problem, ...]:
    """What is wrong with the new CA, judged against every other CA and the leaves' lifetime."""
    if now.new is None:
        return ()
    every = authorities(now.observation, now.manager.resource_namespace)
    others = [ca.signer for ca in every if ca.secret != now.new.secret]
    issued = [leaf.x509 for leaf in leaves_of(now.observation, now.target.issuer) if leaf.x509]
    longest = max((cert.not_after - cert.not_before for cert in issued), default=timedelta(days=90))
    material = now.new.material
    return tuple(
        lint_ca(
            material.chain,
            material.ca_crt,
            material.public_key,
            at=now.observation.taken_at,
            leaf_lifetime=longest,
            others=others,
        )
    )


def _actions(_: Situation, target: Target) -> tuple[Action, ...]:
    def changes(observation: Observation) -> tuple[Change, ...]:
        now = situation(observation, target)
        ref = ObjectRef(CERTIFICATE, target.new_secret, now.manager.resource_namespace)
        if now.new is not None or observation.find(now.new_ref) or observation.find(ref):
            return ()
        return tuple(Change(Verb.APPLY, _ref(body), body) for body in _manifests(now))

    def done(observation: Observation) -> Progress:
        now = situation(observation, target)
        return Progress.of(
            {f"{now.new_ref} with a CA certificate": now.new is not None and now.new.material.key_matches}
        )

    def guard(observation: Observation) -> str:
        now = situation(observation, target)
        return next((f"{now.new_ref}: {problem.text}" for problem in problems(now) if problem.fatal), "")

    return (
        Action(
            f"prepare/{target.new_secret}",
            f"See the CA in Secret {target.new_secret}"
            if target.rollback
            else f"Make a new CA in Secret {target.new_secret}",
            done,
            changes,
            guard,
            reads=frozenset({SECRET, CERTIFICATE, CLUSTER_ISSUER}),
            stage="prepare",
        ),
    )


def _ref(body: dict[str, object]) -> ObjectRef:
    kind = CLUSTER_ISSUER if body["kind"] == CLUSTER_ISSUER.name else CERTIFICATE
    return ObjectRef(kind, str(dig(body, "metadata", "name")), str(dig(body, "metadata", "namespace", default="")))


STAGE = Stage("prepare", "the new CA exists and is fit to sign", _actions)
