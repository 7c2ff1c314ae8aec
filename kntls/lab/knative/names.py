"""Names, labels and hosts that Knative 1.23 derives from other names."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from kntls.lab.objects import Object, name_of, namespace_of
from kntls.lab.reading import annotations_of, labels_of

CLUSTER_DOMAIN = "cluster.local"
LOCAL_DOMAIN = f"svc.{CLUSTER_DOMAIN}"
ROUTING, SERVING = "routing-serving-certs", "serving-certs"
TYPE_LABEL = "networking.knative.dev/certificate-type"
CLASS_ANNOTATION = "networking.knative.dev/certificate.class"
VISIBILITY_LABEL = "networking.knative.dev/visibility"
LONGEST = 63


def route_certificate(route: Object, tag: str, *, local: bool) -> str:
    """The name of the KCert of a route's target."""
    uid = route["metadata"]["uid"]
    middle = f"-{zlib.adler32(tag.encode())}" if tag else ""
    return f"route-{uid}{middle}" + ("-local" if local else "")


def local_hosts(name: str, namespace: str) -> list[str]:
    """The short and long names of a cluster-local host; `name.ns` is left out where ns is all digits."""
    short = [] if namespace.isdigit() else [f"{name}.{namespace}"]
    return [*short, f"{name}.{namespace}.svc", f"{name}.{namespace}.{LOCAL_DOMAIN}"]


def is_local(obj: Object, domain: str) -> bool:
    """Whether a route is reachable inside the cluster only."""
    return domain == LOCAL_DOMAIN or labels_of(obj).get(VISIBILITY_LABEL) == "cluster-local"


def external_host(template: str, name: str, namespace: str, domain: str) -> str:
    """The public host by `domain-template`, of which the plain fields are served."""
    fields = {"{{.Name}}": name, "{{.Namespace}}": namespace, "{{.Domain}}": domain}
    for field, value in fields.items():
        template = template.replace(field, value)
    return template


def base_domain(config_domain: Object | None) -> str:
    """The default domain: a key without a selector, else `svc.cluster.local`."""
    data: Mapping[str, str] = (config_domain or {}).get("data") or {}
    keys = [key for key, value in data.items() if key != "_example" and not (value or "").strip()]
    return sorted(keys)[0] if keys else LOCAL_DOMAIN


def revision_labels(revision: Object) -> dict[str, str]:
    """The labels that everything made for a revision carries."""
    kept = {key: value for key, value in labels_of(revision).items() if key.startswith("serving.knative.dev/")}
    for key in ("serving.knative.dev/routingState",):
        kept.pop(key, None)
    return {
        "app": name_of(revision),
        **kept,
        "serving.knative.dev/revision": name_of(revision),
        "serving.knative.dev/revisionUID": revision["metadata"]["uid"],
    }


def creator(obj: Object) -> dict[str, str]:
    """The creator annotation, where there is one."""
    key = "serving.knative.dev/creator"
    return {key: annotations_of(obj)[key]} if key in annotations_of(obj) else {}


def key_of(obj: Object) -> tuple[str, str]:
    """(namespace, name)."""
    return namespace_of(obj), name_of(obj)
