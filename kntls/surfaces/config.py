"""Knative's configuration: only our keys, where they are owned — ConfigMaps, or the operator's KnativeServing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kntls.engine.ownership import applied_by_us, changed_at, managers_of
from kntls.knative.installation import Installation
from kntls.knative.names import CONFIG_CERTMANAGER, CONFIG_NETWORK
from kntls.model.kinds import CONFIG_MAP, KNATIVE_SERVING
from kntls.model.objects import Object, ObjectRef, dig, is_true
from kntls.model.observation import Observation
from kntls.model.plan import Action, Change, Progress, Verb
from kntls.surfaces.request import Ground

Settings = Mapping[str, str]
PREFIX = "config-"


def spelling(operator: Object, config: str) -> str:
    """The key under `spec.config` that counts: with the prefix if present, else without.

    Where both exist the operator ignores the short one (operator `pkg/reconciler/common/config_maps.go`).
    """
    return config if config in dig(operator, "spec", "config", default={}) else config.removeprefix(PREFIX)


def _owner(observation: Observation, installation: Installation, config: str) -> tuple[ObjectRef, tuple[str, ...]]:
    """The object that owns a configuration, and the path of its keys in it."""
    if installation.operator is None:
        return ObjectRef(CONFIG_MAP, config, installation.namespace), ("data",)
    found = observation.find(installation.operator) or {}
    return installation.operator, ("spec", "config", spelling(found, config))


def _nested(path: tuple[str, ...], value: object) -> dict[str, object]:
    for step in reversed(path):
        value = {step: value}
    return value if isinstance(value, dict) else {}


def _note(owner: Object, path: tuple[str, ...], settings: Settings) -> str:
    """Whose keys are taken over."""
    held = {key: list(managers_of(owner, *path, key)) for key in settings}
    present = {key: names for key, names in held.items() if names and key in dig(owner, *path, default={})}
    return "; ".join(f"{key} is now managed by {', '.join(names)}" for key, names in present.items())


def writing(
    observation: Observation, installation: Installation, config: str, settings: Settings
) -> tuple[Change, ...]:
    """The change that sets these keys, those we applied before kept; empty where they are so already."""
    ref, path = _owner(observation, installation, config)
    owner = observation.find(ref) or {}
    present = dig(owner, *path, default={})
    if all(present.get(key) == value for key, value in settings.items()):
        return ()
    kept = {key: present[key] for key in applied_by_us(owner, *path) if key in present}
    head = {"apiVersion": ref.kind.api_version, "kind": ref.kind.manifest_kind}
    before = _applied_elsewhere(owner, path) if ref.kind == KNATIVE_SERVING else {}
    body = {
        **head,
        "metadata": {"name": ref.name, "namespace": ref.namespace},
        **_nested(path, {**kept, **settings}),
    }
    return (Change(Verb.APPLY, ref, _joined(before, body), force=True, note=_note(owner, path, settings)),)


def _applied_elsewhere(operator: Object, path: tuple[str, ...]) -> dict[str, object]:
    """What we applied to the operator's other configurations: leaving it out would remove it."""
    found: dict[str, object] = {}
    for config in applied_by_us(operator, *path[:-1]) - {path[-1]}:
        present = dig(operator, *path[:-1], config, default={})
        mine = applied_by_us(operator, *path[:-1], config)
        found[config] = {key: present[key] for key in mine if key in present}
    return _nested(path[:-1], found) if found else {}


def _joined(first: Mapping[str, object], second: Mapping[str, object]) -> dict[str, object]:
    joined = dict(first)
    for key, value in second.items():
        mine = joined.get(key)
        both = isinstance(mine, Mapping) and isinstance(value, Mapping)
        joined[key] = _joined(mine, value) if both else value  # type: ignore[arg-type]  # both are mappings
    return joined


def places(observation: Observation, installation: Installation, config: str) -> tuple[ObjectRef, ...]:
    """Every ConfigMap of that name that somebody reads: OpenShift deploys them beside the ingress layer too."""
    spaces = dict.fromkeys(filter(None, (installation.namespace, installation.ingress_namespace)))
    refs = [ObjectRef(CONFIG_MAP, config, space) for space in spaces]
    return tuple(ref for ref in refs if ref.namespace == installation.namespace or observation.find(ref))


def _in_force(observation: Observation, installation: Installation, config: str, settings: Settings) -> dict[str, bool]:
    wanted: dict[str, bool] = {}
    for ref in places(observation, installation, config):
        data = dig(observation.find(ref) or {}, "data", default={})
        wanted |= {f"{key} in {ref}": data.get(key) == value for key, value in settings.items()}
    return wanted


def operator_done(observation: Observation, installation: Installation) -> dict[str, bool]:
    """The operator has acted on the present generation; Ready alone may be that of the one before."""
    if installation.operator is None:
        return {}
    found = observation.find(installation.operator) or {}
    seen = int(dig(found, "status", "observedGeneration", default=0))
    current = seen >= int(dig(found, "metadata", "generation", default=0))
    return {f"{installation.operator} Ready": current and is_true(found)}


def straight(
    observation: Observation, installation: Installation, config: str, settings: Settings
) -> tuple[Change, ...]:
    """The changes that set these keys in the ConfigMaps themselves, whoever owns them."""
    wanted = []
    for ref in places(observation, installation, config):
        data = dig(observation.find(ref) or {}, "data", default={})
        if any(data.get(key) != value for key, value in settings.items()):
            wanted.append(Change(Verb.MERGE, ref, {"data": dict(settings)}))
    return tuple(wanted)


def everywhere(observation: Observation, ground: Ground, config: str, settings: Settings) -> tuple[Change, ...]:
    """The changes that set these keys where they are owned, and while the operator is held also where they are read."""
    installation = ground.installation
    direct = straight(observation, installation, config, settings) if ground.operator_is_held else ()
    return (*writing(observation, installation, config, settings), *direct)


def setting(ground: Ground, id: str, sentence: str, config: str, settings: Callable[[Observation], Settings]) -> Action:
    """The action that sets keys of one configuration where it is owned, and where the operator is held also there
    where it is read."""
    installation = ground.installation

    def done(observation: Observation) -> Progress:
        asked = _in_force(observation, installation, config, settings(observation))
        settled = {} if ground.operator_is_held else operator_done(observation, installation)
        return Progress.of({**asked, **settled})

    kinds = {CONFIG_MAP, KNATIVE_SERVING} if installation.operator else {CONFIG_MAP}
    return Action(
        id,
        sentence,
        done,
        lambda observation: everywhere(observation, ground, config, settings(observation)),
        reads=frozenset(kinds),
    )


def setting_for_now(ground: Ground, id: str, sentence: str, config: str, settings: Settings) -> Action:
    """The action that sets keys in the ConfigMaps only, not in what an operator would write there."""
    installation = ground.installation
    return Action(
        id,
        sentence,
        lambda observation: Progress.of(_in_force(observation, installation, config, settings)),
        lambda observation: straight(observation, installation, config, settings),
        reads=frozenset({CONFIG_MAP}),
    )


def missing(observation: Observation, installation: Installation) -> tuple[ObjectRef, ...]:
    """Configurations that must exist and do not."""
    refs = [ObjectRef(CONFIG_MAP, config, installation.namespace) for config in (CONFIG_NETWORK, CONFIG_CERTMANAGER)]
    return tuple(ref for ref in refs if observation.find(ref) is None)


def last_change(observation: Observation, installation: Installation, *keys: str) -> str:
    """When one of these keys of config-network (any, without keys) was last written, RFC 3339; empty where unknown."""
    found = observation.get(CONFIG_MAP, CONFIG_NETWORK, installation.namespace) or {}
    paths: list[tuple[str, ...]] = [("data", key) for key in keys] or [("data",)]
    times = [time for path in paths if (time := changed_at(found, *path)) is not None]
    return max(times).strftime("%Y-%m-%dT%H:%M:%SZ") if times else ""
