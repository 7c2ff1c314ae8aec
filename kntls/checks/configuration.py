"""Knative's configuration: keys that mean something else than they say, and who really owns them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import get_close_matches
from shlex import quote

from kntls.checks.check import (
    ERROR,
    EXTERNAL,
    INFO,
    INSTALLED,
    INTERNAL,
    ON,
    OPERATED,
    WARNING,
    WHOLE,
    Phase,
    Problem,
    check,
)
from kntls.checks.facts import Facts, environment
from kntls.errors import InputError
from kntls.knative.config import EXTERNAL_SPELLINGS, GO_FALSE, GO_TRUE, issuer_ref
from kntls.knative.names import (
    ACTIVATOR,
    CERTIFICATE_CLASS,
    CONFIG_CERTMANAGER,
    CONFIG_NETWORK,
    LEGACY_FLAG,
    Surface,
)
from kntls.model.kinds import CONFIG_MAP, DEPLOYMENT, KNATIVE_SERVING
from kntls.model.objects import Object, ObjectRef, condition, dig, is_true, labels_of

CLASS_KEYS = ("certificate-class", "certificate.class")
SELECTOR = "namespace-wildcard-cert-selector"
KNOWN = frozenset(
    {
        *EXTERNAL_SPELLINGS, "cluster-local-domain-tls", "system-internal-tls", LEGACY_FLAG, *CLASS_KEYS, SELECTOR,
        "http-protocol", "httpProtocol", "default-external-scheme", "ingress-class", "ingress.class",
        "domain-template", "domainTemplate", "tag-template", "tagTemplate", "rollout-duration", "rolloutDuration",
        "autocreate-cluster-domain-claims", "autocreateClusterDomainClaims", "enable-mesh-pod-addressability",
        "mesh-compatibility-mode",
    }
)  # fmt: skip
"""Every key `pkg/config/config.go` of knative.dev/networking reads."""
GONE = {
    "dataplane-trust": "read by 1.11 only; system-internal-tls took its place",
    "controlplane-trust": "read by 1.11 only; system-internal-tls took its place",
    "system-internal-tls-allow-serve-mode": "read by nothing; serve mode is allowed since 1.21",
}
"""Keys that once, or only in tests, existed."""
NO = frozenset({"", "disabled", "disable", "false", "no", "off", "none", "0", "f", "n"})
"""How people say that a flag is off."""
PROTOCOLS = ("enabled", "redirected", "disabled")
VALIDATED = "app.kubernetes.io/component"
"""With `app.kubernetes.io/name`, what the webhook selects ConfigMaps by (serving `configmap-validation.yaml`)."""
QUEUE_TLS_MAX = "queue-sidecar-tls-max-version"
ACTIVATOR_TLS_MAX = "ACTIVATOR_TLS_MAX_VERSION"
"""With the key before it since 1.21 (knative.dev/pkg `network/tls/config.go`)."""


@check(
    "KN-CONFIG-001",
    "Knative Serving is installed",
    ERROR,
    needs=(CONFIG_MAP, DEPLOYMENT),
    when=(WHOLE,),
    phase=Phase.BOTH,
    why="There is nothing to encrypt without it.",
    remedy="Install Knative Serving 1.14 or newer with Kourier, or look at another cluster.",
)
def installed(facts: Facts) -> Iterator[Problem]:
    """Whether Knative Serving was found."""
    if facts.installation is None:
        yield Problem(None, "there is no Knative Serving here", "install Knative Serving, or choose another --context")


@check(
    "KN-CONFIG-002",
    "Knative's network and certificate configuration exists",
    ERROR,
    needs=(CONFIG_MAP,),
    when=(INSTALLED,),
    phase=Phase.BOTH,
    why="Without `config-network` no component starts; without `config-certmanager` the controller does not start once "
    "a surface is on.",
    remedy="Apply the release's manifests again.",
)
def present(facts: Facts) -> Iterator[Problem]:
    """The two ConfigMaps."""
    for name in (CONFIG_NETWORK, CONFIG_CERTMANAGER):
        if facts.observation.get(CONFIG_MAP, name, facts.serving) is None:
            yield Problem(facts.config_ref(name), "there is no such ConfigMap", "apply the release's serving-core.yaml")


def _meant(value: str) -> str:
    """What whoever wrote a flag most likely meant."""
    return "Disabled" if value.strip().lower() in NO else "Enabled"


@check(
    "KN-CONFIG-003",
    "the flags of both internal surfaces have legal values",
    ERROR,
    needs=(CONFIG_MAP,),
    when=(INSTALLED,),
    phase=Phase.BOTH,
    causes=("KN-SERVE-009",),
    why="An illegal value is an error in every component: a running one keeps its old configuration, a starting one "
    "ends at once and crash-loops. The webhook prevents it only where the ConfigMap still has its labels.",
    remedy="Write `Enabled` or `Disabled`.",
)
def legal_flags(facts: Facts) -> Iterator[Problem]:
    """Values other than enabled, disabled and nothing, or than a boolean for the legacy flag."""
    data = facts.config(CONFIG_NETWORK)
    if LEGACY_FLAG in data and data[LEGACY_FLAG] not in GO_TRUE | GO_FALSE:
        reason = f"{LEGACY_FLAG} is {data[LEGACY_FLAG]!r}, no boolean: components that start with it crash"
        yield Problem(facts.config_ref(), reason, facts.set_config(CONFIG_NETWORK, LEGACY_FLAG, None))
    for surface in (Surface.CLUSTER_LOCAL, Surface.SYSTEM_INTERNAL):
        if data.get(surface.flag, "").lower() not in ("", "enabled", "disabled"):
            reason = f"{surface.flag} is {data[surface.flag]!r}: components that start with it crash"
            fix = facts.set_config(CONFIG_NETWORK, surface.flag, _meant(data[surface.flag]))
            yield Problem(facts.config_ref(), reason, fix)


@check(
    "KN-CONFIG-004",
    "the external-domain flag means what it says",
    ERROR,
    needs=(CONFIG_MAP,),
    when=(INSTALLED,),
    phase=Phase.BOTH,
    why="Anything but `Enabled` means off, without an error: `true`, `yes`, `Enabled ` with a space.",
    remedy="Write `Enabled` or `Disabled`.",
)
def external_flag(facts: Facts) -> Iterator[Problem]:
    """Values that look like on and mean off."""
    data = facts.config(CONFIG_NETWORK)
    for key in EXTERNAL_SPELLINGS:
        if data.get(key, "").lower() != "enabled" and _meant(data.get(key, "")) == "Enabled":
            fix = facts.set_config(CONFIG_NETWORK, key, "Enabled")
            yield Problem(facts.config_ref(), f"{key} is {data[key]!r}, which means Disabled", fix)


@check(
    "KN-CONFIG-005",
    "no legacy flag overrules system-internal-tls",
    ERROR,
    needs=(CONFIG_MAP,),
    when=(INSTALLED,),
    phase=Phase.BOTH,
    why=f'`{LEGACY_FLAG}: "true"` turns the surface on even where `system-internal-tls: Disabled` says otherwise.',
    remedy="Say with `system-internal-tls` what you want, and remove the legacy key; `kntls disable` does both.",
)
def legacy_flag(facts: Facts) -> Iterator[Problem]:
    """The legacy key against the new one."""
    value = facts.config(CONFIG_NETWORK).get(Surface.SYSTEM_INTERNAL.flag, "")
    if facts.settings and facts.settings.legacy and value.lower() != "enabled":
        reason = f"{LEGACY_FLAG} turns it on although {Surface.SYSTEM_INTERNAL.flag} is {value or 'not set'!r}"
        # To take the key away alone would turn the surface off under running activators.
        same = facts.set_config(CONFIG_NETWORK, Surface.SYSTEM_INTERNAL.flag, "Enabled", **{LEGACY_FLAG: None})
        fix = f"kntls disable --{Surface.SYSTEM_INTERNAL}" if value else same
        yield Problem(facts.config_ref(), reason, fix)


@check(
    "KN-CONFIG-006",
    "no flag is written in two spellings",
    WARNING,
    needs=(CONFIG_MAP,),
    when=(INSTALLED,),
    phase=Phase.BOTH,
    why="`external-domain-tls` hides `auto-tls`, which hides `autoTLS`: the other spelling is ignored, whatever it "
    "says.",
    remedy="Keep `external-domain-tls` only.",
)
def one_spelling(facts: Facts) -> Iterator[Problem]:
    """Spellings that are passed over."""
    data = facts.config(CONFIG_NETWORK)
    used, *ignored = [key for key in EXTERNAL_SPELLINGS if key in data] or [""]
    for key in ignored:
        fix = facts.set_config(CONFIG_NETWORK, key, None)
        yield Problem(facts.config_ref(), f"{key} is ignored because {used} is set, too", fix)


@check(
    "KN-CONFIG-007",
    "every key of config-network is one that Knative reads",
    WARNING,
    needs=(CONFIG_MAP,),
    when=(INSTALLED,),
    phase=Phase.BOTH,
    why="Unknown keys are ignored without a word: `cluster-local-domains-tls: Enabled` encrypts nothing.",
    remedy="Correct the key's name.",
)
def known_keys(facts: Facts) -> Iterator[Problem]:
    """Keys that look like one of Knative's TLS keys, and ones that no longer exist."""
    for key in sorted(set(facts.config(CONFIG_NETWORK)) - KNOWN):
        fix = facts.set_config(CONFIG_NETWORK, key, None)
        close = get_close_matches(key, KNOWN, 1, 0.8)
        if key in GONE:
            yield Problem(facts.config_ref(), f"{key} is {GONE[key]}", fix)
        elif close:
            yield Problem(facts.config_ref(), f"{key} is ignored; is {close[0]} meant?", fix)


@check(
    "KN-CONFIG-008",
    "every issuer reference can be read",
    ERROR,
    needs=(CONFIG_MAP,),
    when=(INSTALLED,),
    phase=Phase.BOTH,
    causes=("KN-SERVE-009", "KN-KCERT-009"),
    why="The value is YAML with `kind:` and `name:`. One that cannot be parsed keeps a starting controller from "
    "starting.",
    remedy="Write `kind: ClusterIssuer` and `name: NAME`, one to a line.",
)
def readable(facts: Facts) -> Iterator[Problem]:
    """References that are not YAML mappings."""
    for surface in Surface:
        try:
            issuer_ref(facts.observation, facts.serving, surface)
        except InputError as error:
            fix = facts.set_config(CONFIG_CERTMANAGER, surface.issuer_key, "kind: ClusterIssuer\nname: NAME\n")
            yield Problem(facts.config_ref(CONFIG_CERTMANAGER), f"{surface.issuer_key} is {error.what}", fix)


@check(
    "KN-CONFIG-009",
    "certificates are left to cert-manager",
    ERROR,
    needs=(CONFIG_MAP,),
    when=(ON,),
    causes=("KN-KCERT-001", "KN-KCERT-003"),
    why="`certificate-class` decides who makes a KCert's certificate. With another class the KCerts of Routes and "
    "namespaces wait for a controller that is not there.",
    remedy="Remove the key.",
)
def certificate_class(facts: Facts) -> Iterator[Problem]:
    """Another certificate class than cert-manager's."""
    data = facts.config(CONFIG_NETWORK)
    for key in CLASS_KEYS:
        if data.get(key, CERTIFICATE_CLASS) not in ("", CERTIFICATE_CLASS):
            fix = facts.set_config(CONFIG_NETWORK, key, None)
            yield Problem(facts.config_ref(), f"{key} is {data[key]}: cert-manager passes over these KCerts", fix)


@check(
    "KN-CONFIG-010",
    "the ingress layer supports the surfaces that are on",
    ERROR,
    needs=(CONFIG_MAP, DEPLOYMENT),
    when=(ON,),
    causes=("KN-SERVE-001", "KN-SERVE-003", "KN-SERVE-005", "KN-TRUST-001"),
    why="net-istio declined system-internal-tls, net-contour reads no trust bundles; the flag then breaks requests or "
    "encrypts nothing. Without `ingress-class` Knative takes Istio, whatever is installed.",
    remedy="Use Kourier, or encrypt with the mesh.",
)
def layer(facts: Facts) -> Iterator[Problem]:
    """Surfaces the ingress layer does not do."""
    found = facts.installation.layer if facts.installation else None
    for surface in facts.surfaces:
        if found is None:
            reason = f"ingress class {facts.installation.ingress_class if facts.installation else '?'} is unknown"
            yield Problem(facts.config_ref(), f"{reason}: nobody knows what {surface} does there", "use Kourier")
        elif surface not in found.surfaces:
            yield Problem(facts.config_ref(), f"{found.name} does not do {surface}", found.instead)


@check(
    "KN-CONFIG-011",
    "Knative's webhook guards its configuration",
    WARNING,
    needs=(CONFIG_MAP,),
    when=(INSTALLED,),
    phase=Phase.BOTH,
    why="The webhook selects ConfigMaps by two labels. One that lost them is not validated: a typing error reaches the "
    "components, which crash at their next start.",
    remedy="Put the labels back.",
)
def guarded(facts: Facts) -> Iterator[Problem]:
    """ConfigMaps without the labels."""
    for name, component in ((CONFIG_NETWORK, "networking"), (CONFIG_CERTMANAGER, "net-certmanager")):
        obj = facts.observation.get(CONFIG_MAP, name, facts.serving)
        if obj is None:
            continue
        labels = labels_of(obj)
        if labels.get("app.kubernetes.io/name") != "knative-serving" or VALIDATED not in labels:
            marks = f"app.kubernetes.io/name=knative-serving {VALIDATED}={component}"
            fix = f"kubectl label {facts.config_ref(name).kubectl} {marks} --overwrite"
            yield Problem(facts.config_ref(name), "it lacks the labels by which the webhook validates it", fix)


def _wanted(operator: Object, name: str) -> dict[str, str]:
    """What the operator writes into a ConfigMap; the long spelling wins (operator `config_maps.go`)."""
    config = dig(operator, "spec", "config", default={})
    found = config.get(name, config.get(name.removeprefix("config-"), {}))
    return {key: str(value) for key, value in (found or {}).items()}


def _owner(facts: Facts) -> Object:
    operator = facts.installation.operator if facts.installation else None
    return (facts.observation.find(operator) if operator else None) or {}


def _operated(facts: Facts) -> Iterator[ObjectRef]:
    """The ConfigMaps an operator writes. OpenShift Serverless deploys config-network twice: Kourier reads its own."""
    yield from map(facts.config_ref, (CONFIG_NETWORK, CONFIG_CERTMANAGER))
    beside = ObjectRef(CONFIG_MAP, CONFIG_NETWORK, facts.installation.ingress_namespace if facts.installation else "")
    if beside.namespace != facts.serving and facts.observation.find(beside):
        yield beside


@check(
    "KN-CONFIG-012",
    "the ConfigMaps say what the operator's resource says",
    ERROR,
    needs=(CONFIG_MAP, KNATIVE_SERVING),
    when=(OPERATED,),
    phase=Phase.BOTH,
    why="The operator puts keys of `spec.config` back, at once since 1.18. A ConfigMap that says otherwise is about to "
    "be reverted, or the operator has not come round to it. On OpenShift Kourier reads a copy in its own namespace.",
    remedy="The command does what the operator will do. To have another value, change the KnativeServing.",
)
def no_drift(facts: Facts) -> Iterator[Problem]:
    """Keys in which a ConfigMap, or Kourier's copy of it, and KnativeServing differ."""
    for ref in _operated(facts):
        data = dig(facts.observation.find(ref) or {}, "data", default={})
        for key, value in _wanted(_owner(facts), ref.name).items():
            if data.get(key, "").strip() != value.strip():
                reason = f"{key} is {data.get(key)!r}, the KnativeServing says {value!r} and the operator will win"
                fix = f"kubectl patch {ref.kubectl} --type merge -p {quote(json.dumps({'data': {key: value}}))}"
                yield Problem(ref, reason, fix)


@check(
    "KN-CONFIG-013",
    "the operator's resource names each ConfigMap once",
    WARNING,
    needs=(CONFIG_MAP, KNATIVE_SERVING),
    when=(OPERATED,),
    phase=Phase.BOTH,
    why="Where `spec.config` has both `config-network` and `network`, the short one is ignored completely.",
    remedy="Merge both into one.",
)
def one_entry(facts: Facts) -> Iterator[Problem]:
    """Both spellings in one KnativeServing."""
    config = dig(_owner(facts), "spec", "config", default={})
    operator = facts.installation.operator if facts.installation else None
    for short in ("network", "certmanager"):
        if short in config and f"config-{short}" in config:
            fix = f"kubectl edit {operator.kubectl}" if operator else ""
            yield Problem(operator, f"spec.config.{short} is ignored because config-{short} is there, too", fix)


@check(
    "KN-CONFIG-014",
    "the operator has carried out its resource",
    WARNING,
    needs=(CONFIG_MAP, KNATIVE_SERVING),
    when=(OPERATED,),
    phase=Phase.BOTH,
    why="What was changed in the KnativeServing is in effect only once the operator says Ready for that generation.",
    remedy="Read its conditions; wait, or mend what they name.",
)
def carried_out(facts: Facts) -> Iterator[Problem]:
    """The KnativeServing's Ready condition and generation."""
    owner, operator = _owner(facts), facts.installation.operator if facts.installation else None
    if not operator:
        return
    fix = f"kubectl describe {operator.kubectl}"
    if not is_true(owner):
        yield Problem(operator, f"not Ready: {condition(owner, 'Ready').get('message', 'no status')}", fix)
    elif dig(owner, "status", "observedGeneration", default=0) < dig(owner, "metadata", "generation", default=0):
        yield Problem(operator, "the operator has not seen its latest change", fix)


@check(
    "KN-CONFIG-015",
    "wildcard certificates are made only where they are wanted",
    WARNING,
    needs=(CONFIG_MAP,),
    when=(INSTALLED,),
    phase=Phase.BOTH,
    why=f"`{SELECTOR}` makes wildcard certificates even while external-domain encryption is off; a value that is not a "
    "label selector keeps the controller from starting.",
    remedy="Write a label selector, or remove the key.",
)
def selector(facts: Facts) -> Iterator[Problem]:
    """A selector that cannot be read, or selects for a surface that is off."""
    import yaml

    value = facts.config(CONFIG_NETWORK).get(SELECTOR, "")
    fix = facts.set_config(CONFIG_NETWORK, SELECTOR, None)
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        yield Problem(facts.config_ref(), f"{SELECTOR} is not YAML", fix)
        return
    if parsed is not None and not isinstance(parsed, dict):
        yield Problem(facts.config_ref(), f"{SELECTOR} is not a label selector", fix)
    elif parsed is not None and Surface.EXTERNAL_DOMAIN not in facts.surfaces:
        yield Problem(facts.config_ref(), f"{SELECTOR} is set, but external-domain encryption is off", fix)


@check(
    "KN-CONFIG-016",
    "http-protocol has a legal value",
    ERROR,
    needs=(CONFIG_MAP,),
    when=(INSTALLED,),
    phase=Phase.BOTH,
    why="It decides what becomes of plain HTTP once external-domain encryption is on; an illegal value is an error in "
    "every component.",
    remedy="Write `Enabled` or `Redirected`.",
)
def http_protocol(facts: Facts) -> Iterator[Problem]:
    """Values Knative does not know."""
    data = facts.config(CONFIG_NETWORK)
    for key in ("http-protocol", "httpProtocol"):
        if data.get(key, "enabled").lower() not in ("", *PROTOCOLS):
            close = get_close_matches(data[key].lower(), PROTOCOLS[:2], 1) or ["enabled"]
            fix = facts.set_config(CONFIG_NETWORK, key, close[0].title())
            yield Problem(facts.config_ref(), f"{key} is {data[key]!r}", fix)


@check(
    "KN-CONFIG-017",
    "plain HTTP is turned away where external domains are encrypted",
    INFO,
    needs=(CONFIG_MAP,),
    when=(EXTERNAL,),
    why="With `http-protocol: Enabled` everything is served on port 80 as well.",
    remedy="Set `http-protocol: Redirected` when all clients use https.",
)
def redirected(facts: Facts) -> Iterator[Problem]:
    """HTTP served beside HTTPS."""
    data = facts.config(CONFIG_NETWORK)
    if data.get("http-protocol", data.get("httpProtocol", "Enabled")).lower() != "redirected":
        fix = facts.set_config(CONFIG_NETWORK, "http-protocol", "Redirected")
        yield Problem(facts.config_ref(), "plain HTTP is still served beside https", fix)


@check(
    "KN-CONFIG-018",
    "queue-proxies and activators may speak TLS 1.3",
    ERROR,
    needs=(CONFIG_MAP, DEPLOYMENT),
    when=(INTERNAL,),
    causes=("KN-SERVE-001",),
    why="The activator and Envoy insist on TLS 1.3: a queue-proxy held to 1.2 can be reached by neither, an activator "
    "held to it not by Envoy.",
    remedy=f"Remove `{QUEUE_TLS_MAX}` from `config-deployment`, `{ACTIVATOR_TLS_MAX}` from the activator's Deployment.",
)
def tls13(facts: Facts) -> Iterator[Problem]:
    """A maximum below 1.3."""
    value = facts.config("config-deployment").get(QUEUE_TLS_MAX, "")
    if value and value != "1.3":
        fix = facts.set_config("config-deployment", QUEUE_TLS_MAX, None)
        yield Problem(facts.config_ref("config-deployment"), f"{QUEUE_TLS_MAX} is {value}", fix)
    activator = ObjectRef(DEPLOYMENT, ACTIVATOR, facts.serving)
    value = environment(facts.observation.find(activator) or {}).get(ACTIVATOR_TLS_MAX, "")
    if value and value != "1.3":
        fix = f"kubectl set env deployment/{ACTIVATOR} -n {facts.serving} {ACTIVATOR_TLS_MAX}-"
        yield Problem(activator, f"{ACTIVATOR_TLS_MAX} is {value}", fix)


@check(
    "KN-CONFIG-019",
    "Knative runs in the cluster its resource lies in",
    ERROR,
    needs=(CONFIG_MAP, KNATIVE_SERVING),
    when=(OPERATED,),
    phase=Phase.BOTH,
    why="With `spec.clusterProfileRef` the operator installs on another cluster: ConfigMaps and Secrets are there, not "
    "here, and nothing that is judged or changed here has an effect.",
    remedy="Use the kubeconfig of that cluster.",
)
def same_cluster(facts: Facts) -> Iterator[Problem]:
    """A remote installation."""
    operator = facts.installation.operator if facts.installation else None
    if dig(_owner(facts), "spec", "clusterProfileRef"):
        yield Problem(operator, "it installs on another cluster (clusterProfileRef)", "use that cluster's --context")
