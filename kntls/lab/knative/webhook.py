"""Knative's admission: defaults for Services, refusals for ConfigMaps and KCerts that do not parse."""

from __future__ import annotations

import zlib

from kntls.lab.answers import ApiError
from kntls.lab.knative import config, serving
from kntls.lab.objects import Object, name_of
from kntls.lab.reading import annotations_of, labels_of
from kntls.lab.store import Admission

NAME_LABEL, COMPONENT_LABEL = "app.kubernetes.io/name", "app.kubernetes.io/component"
COMPONENTS = frozenset(
    {"autoscaler", "controller", "logging", "networking", "observability", "tracing", "net-certmanager"}
)
CHECKSUM = "knative.dev/example-checksum"


def checksum(example: str) -> str:
    """What the annotation beside an `_example` must say."""
    return f"{zlib.crc32(example.strip().encode()):08x}"


def refusal(webhook: str, reason: str) -> ApiError:
    """How the API server reports a webhook's no."""
    return ApiError(400, "BadRequest", f'admission webhook "{webhook}" denied the request: {reason}')


def admit(admission: Admission, autoscaler: Object | None = None) -> None:
    """The webhooks of Serving; `autoscaler` is config-autoscaler as it is.

    Raises:
        ApiError: refused.
    """
    if admission.verb == "delete" or admission.subresource:
        return
    if admission.resource.key == "services.serving.knative.dev":
        if any(key != "metadata" for key in admission.obj):
            serving.default_service(admission.obj, admission.writer.user, admission.old)
            _check_service(admission.obj)
            _check_scale(admission.obj, autoscaler)
    elif admission.resource.key == "configmaps":
        _check_config(admission.obj)
    elif admission.resource.key == "certificates.networking.internal.knative.dev":
        _check_kcert(admission.obj)


def _check_service(service: Object) -> None:
    template = ((service.get("spec") or {}).get("template") or {}).get("spec") or {}
    for index, container in enumerate(template.get("containers") or ()):
        if not container.get("image"):
            where = f"spec.template.spec.containers[{index}].image"
            raise refusal("validation.webhook.serving.knative.dev", f"validation failed: missing field(s): {where}")


def _check_scale(service: Object, autoscaler: Object | None) -> None:
    key = "autoscaling.knative.dev/initial-scale"
    template = (service.get("spec") or {}).get("template") or {}
    for scale in (key, "autoscaling.knative.dev/min-scale"):
        value = annotations_of(template).get(scale, "0")
        if not value.isdigit():
            what = f"validation failed: invalid value: {value}: spec.template.metadata.annotations.{scale}"
            raise refusal("validation.webhook.serving.knative.dev", what)
    allowed = ((autoscaler or {}).get("data") or {}).get("allow-zero-initial-scale", "").lower() == "true"
    if annotations_of(template).get(key) == "0" and not allowed:
        where = f"spec.template.metadata.annotations.{key}=0"
        what = f"validation failed: invalid value: 0: {where} not allowed by cluster"
        raise refusal("validation.webhook.serving.knative.dev", what)


def _check_config(config_map: Object) -> None:
    labels = labels_of(config_map)
    if labels.get(NAME_LABEL) != "knative-serving" or labels.get(COMPONENT_LABEL) not in COMPONENTS:
        return
    example = (config_map.get("data") or {}).get("_example")
    noted = annotations_of(config_map).get(CHECKSUM)
    if example is not None and noted is not None and checksum(example) != noted:
        raise refusal(
            "config.webhook.serving.knative.dev",
            'validation failed: the update modifies a key in "_example" which is probably not what you want. Instead, '
            'copy the respective setting to the top-level of the ConfigMap, directly below "data"',
        )
    parsers = {"config-network": config.network, "config-certmanager": config.issuers}
    parser = parsers.get(name_of(config_map))
    if parser is None:
        return
    try:
        parser(config_map)
    except config.BadConfig as error:
        raise refusal("config.webhook.serving.knative.dev", f"validation failed: {error}") from error


def _check_kcert(kcert: Object) -> None:
    spec = kcert.get("spec") or {}
    names, domain = spec.get("dnsNames") or [], spec.get("domain", "")
    problem = ""
    if not names:
        problem = "missing field(s): spec.dnsNames"
    elif not spec.get("secretName"):
        problem = "missing field(s): spec.secretName"
    elif domain and not any(one.endswith(domain) for one in names):
        problem = f"invalid value: {domain}: spec.domain"
    if problem:
        raise refusal("validation.webhook.serving.knative.dev", f"validation failed: {problem}")
