"""What a Service, Configuration, Revision and PodAutoscaler become: pure functions from one object to the next."""

from __future__ import annotations

import hashlib
import json

from kntls.lab.knative.names import VISIBILITY_LABEL, creator, local_hosts, revision_labels
from kntls.lab.objects import Object, clone, name_of, namespace_of, owner_reference
from kntls.lab.reading import annotations_of, labels_of

SERVICE, CONFIGURATION = "serving.knative.dev/service", "serving.knative.dev/configuration"
QUEUE_IMAGE = "gcr.io/knative-releases/knative.dev/serving/cmd/queue"
HASH = "serving.knative.dev/deployment-hash"
SCALING = "autoscaling.knative.dev/"
CERTS_DIRECTORY = "/var/lib/knative/certs"


def default_service(service: Object, user: str, old: Object | None) -> None:
    """Fill in what the mutating webhook does; changes the object in place."""
    annotations = service["metadata"].setdefault("annotations", {}) or {}
    service["metadata"]["annotations"] = annotations
    before = annotations_of(old)
    annotations["serving.knative.dev/creator"] = before.get("serving.knative.dev/creator", user)
    changed = old is None or old.get("spec") != service.get("spec")
    modifier = "serving.knative.dev/lastModifier"
    annotations[modifier] = user if changed else before.get(modifier, user)
    spec = service.setdefault("spec", {})
    spec.setdefault("traffic", [{"latestRevision": True, "percent": 100}])
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    default_revision(template.setdefault("spec", {}))


def default_revision(spec: Object) -> None:
    """The defaults of a revision's spec, in place."""
    spec.setdefault("containerConcurrency", 0)
    spec.setdefault("enableServiceLinks", False)
    spec.setdefault("timeoutSeconds", 300)
    for container in spec.get("containers") or []:
        container.setdefault("name", "user-container")
        container.setdefault("readinessProbe", {"successThreshold": 1, "tcpSocket": {"port": 0}})
        container.setdefault("resources", {})


def owned(owner: Object, name: str, labels: dict[str, str], annotations: dict[str, str]) -> Object:
    """The metadata of an object that another one owns, in the owner's namespace."""
    return {
        "name": name,
        "namespace": namespace_of(owner),
        "labels": labels,
        "annotations": annotations,
        "ownerReferences": [owner_reference(owner)],
    }


def configuration(service: Object) -> Object:
    """The Configuration of a Service."""
    labels = {SERVICE: name_of(service), "serving.knative.dev/serviceUID": service["metadata"]["uid"]}
    kept = _kept(service)
    annotations = {**kept, "serving.knative.dev/routes": name_of(service)}
    return {
        "metadata": owned(service, name_of(service), labels, annotations),
        "spec": {"template": clone(service["spec"]["template"])},
    }


def route(service: Object) -> Object:
    """The Route of a Service."""
    labels = {SERVICE: name_of(service)}
    if "networking.knative.dev/visibility" in labels_of(service):
        labels["networking.knative.dev/visibility"] = labels_of(service)["networking.knative.dev/visibility"]
    traffic = [
        {**({"configurationName": name_of(service)} if not one.get("revisionName") else {}), **one}
        for one in service["spec"].get("traffic") or []
    ]
    return {"metadata": owned(service, name_of(service), labels, _kept(service)), "spec": {"traffic": traffic}}


def _kept(service: Object) -> dict[str, str]:
    return {k: v for k, v in annotations_of(service).items() if not k.startswith("kubectl.kubernetes.io/")}


def revision(found: Object, stamp: str) -> Object:
    """The Revision of a Configuration's present generation."""
    generation = found["metadata"].get("generation", 1)
    template = clone(found["spec"]["template"])
    metadata = template.get("metadata") or {}
    labels = {
        **(metadata.get("labels") or {}),
        CONFIGURATION: name_of(found),
        "serving.knative.dev/configurationGeneration": str(generation),
        "serving.knative.dev/configurationUID": found["metadata"]["uid"],
        "serving.knative.dev/routingState": "active",
        **{k: v for k, v in labels_of(found).items() if k.startswith(SERVICE)},
    }
    annotations = {
        **(metadata.get("annotations") or {}),
        **creator(found),
        "serving.knative.dev/routes": name_of(found),
        "serving.knative.dev/routingStateModified": stamp,
    }
    name = metadata.get("name") or f"{name_of(found)}-{generation:05d}"
    return {"metadata": owned(found, name, labels, annotations), "spec": template["spec"]}


def deployment(found: Object, *, tls: bool, system_namespace: str, replicas: int) -> Object:
    """The Deployment of a Revision; with TLS its queue-proxy mounts the namespace's certificate."""
    labels = revision_labels(found)
    kept = {k: v for k, v in annotations_of(found).items() if not k.startswith("serving.knative.dev/rout")}
    pod: Object = {
        "containers": [*_user_containers(found), _queue(found, system_namespace, tls)],
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": int(found["spec"].get("timeoutSeconds") or 300),
    }
    if tls:
        pod["volumes"] = [{"name": "server-certs", "secret": {"secretName": "serving-certs"}}]
    template = {
        "metadata": {
            "labels": labels,
            "annotations": {**kept, "kubectl.kubernetes.io/default-container": "user-container"},
        },
        "spec": pod,
    }
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:8]
    return {
        "metadata": owned(found, f"{name_of(found)}-deployment", {**labels, HASH: digest}, kept),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 0,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": {"serving.knative.dev/revisionUID": found["metadata"]["uid"]}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
            "template": template,
        },
    }


def _user_containers(found: Object) -> list[Object]:
    out = []
    for given in found["spec"].get("containers") or []:
        container = {k: v for k, v in given.items() if k != "readinessProbe"}
        port = next((one.get("containerPort") for one in given.get("ports") or []), None) or 8080
        environment = {
            "PORT": str(port),
            "K_REVISION": name_of(found),
            "K_CONFIGURATION": labels_of(found).get(CONFIGURATION, ""),
            "K_SERVICE": labels_of(found).get(SERVICE, ""),
        }
        container["env"] = [*(given.get("env") or []), *({"name": k, "value": v} for k, v in environment.items())]
        container["ports"] = [{"containerPort": port, "name": "user-port", "protocol": "TCP"}]
        out.append(container)
    return out


def _queue(found: Object, system_namespace: str, tls: bool) -> Object:
    values = {
        "SERVING_NAMESPACE": namespace_of(found),
        "SERVING_SERVICE": labels_of(found).get(SERVICE, ""),
        "SERVING_CONFIGURATION": labels_of(found).get(CONFIGURATION, ""),
        "SERVING_REVISION": name_of(found),
        "QUEUE_SERVING_PORT": "8012",
        "QUEUE_SERVING_TLS_PORT": "8112",
        "SYSTEM_NAMESPACE": system_namespace,
    }
    ports = {"http-autometric": 9090, "http-usermetric": 9091, "queue-port": 8012, "https-port": 8112}
    mount = {"volumeMounts": [{"name": "server-certs", "mountPath": CERTS_DIRECTORY, "readOnly": True}]} if tls else {}
    probe = {
        "path": "/",
        "port": 8012,
        "scheme": "HTTP",
        "httpHeaders": [{"name": "K-Network-Probe", "value": "queue"}],
    }
    return {
        "name": "queue-proxy",
        "image": QUEUE_IMAGE,
        "env": [{"name": k, "value": v} for k, v in values.items()],
        "ports": [{"name": k, "containerPort": v, "protocol": "TCP"} for k, v in ports.items()],
        "readinessProbe": {"httpGet": probe, "periodSeconds": 10, "timeoutSeconds": 1},
        "resources": {"requests": {"cpu": "25m"}},
        **mount,
    }


def pod_autoscaler(found: Object) -> Object:
    """The PodAutoscaler of a Revision."""
    kept = {k: v for k, v in annotations_of(found).items() if k.startswith(SCALING)}
    annotations = {
        f"{SCALING}class": "kpa.autoscaling.knative.dev",
        f"{SCALING}metric": "concurrency",
        **kept,
        **creator(found),
    }
    return {
        "metadata": owned(found, name_of(found), revision_labels(found), annotations),
        "spec": {
            "protocolType": "http1",
            "reachability": "Reachable",
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"{name_of(found)}-deployment"},
        },
    }


def serverless_service(autoscaler: Object, mode: str) -> Object:
    """The ServerlessService of a PodAutoscaler."""
    annotations = {k: v for k, v in annotations_of(autoscaler).items() if not k.endswith("/metric")}
    return {
        "metadata": owned(autoscaler, name_of(autoscaler), dict(labels_of(autoscaler)), annotations),
        "spec": {
            "mode": mode,
            "numActivators": 2,
            "objectRef": dict(autoscaler["spec"]["scaleTargetRef"]),
            "protocolType": "http1",
        },
    }


def sks_service(sks: Object, *, private: bool) -> Object:
    """The public or the private Service of a ServerlessService; both always have the TLS port."""
    name = name_of(sks) + ("-private" if private else "")
    labels = {
        **labels_of(sks),
        "networking.internal.knative.dev/serverlessservice": name_of(sks),
        "networking.internal.knative.dev/serviceType": "Private" if private else "Public",
    }
    ports: list[Object] = [
        {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8012},
        {"name": "https", "port": 443, "protocol": "TCP", "targetPort": 8112},
    ]
    spec: Object = {"ports": ports, "type": "ClusterIP", "sessionAffinity": "None"}
    if private:
        ports += [
            {"name": "http-autometric", "port": 9090, "protocol": "TCP", "targetPort": "http-autometric"},
            {"name": "http-usermetric", "port": 9091, "protocol": "TCP", "targetPort": "http-usermetric"},
            {"name": "http-istio", "port": 8012, "protocol": "TCP", "targetPort": 8012},
        ]
        uid = labels_of(sks)["serving.knative.dev/revisionUID"]
        spec["selector"] = {"serving.knative.dev/revisionUID": uid}
    return {"metadata": owned(sks, name, labels, dict(annotations_of(sks))), "spec": spec}


def ingress_rule(hosts: list[str], splits: list[Object], *, local: bool) -> Object:
    """One rule of a KIngress."""
    visibility = "ClusterLocal" if local else "ExternalIP"
    return {"hosts": hosts, "http": {"paths": [{"splits": splits}]}, "visibility": visibility}


def split(namespace: str, revision_name: str, percent: int, *, tls: bool) -> Object:
    """One split of a KIngress: port 443 of the revision's Service with system-internal-tls, 80 without."""
    headers = {"Knative-Serving-Namespace": namespace, "Knative-Serving-Revision": revision_name}
    return {
        "appendHeaders": headers,
        "percent": percent,
        "serviceName": revision_name,
        "serviceNamespace": namespace,
        "servicePort": 443 if tls else 80,
    }


def placeholder(found: Object, gateway: str) -> Object:
    """The ExternalName Service by which a route is reached inside the cluster."""
    port: Object = {
        "name": "http2",
        "port": 80,
        "protocol": "TCP",
        "targetPort": 80,
        "appProtocol": "kubernetes.io/h2c",
    }
    own = {name: value for name, value in labels_of(found).items() if name != VISIBILITY_LABEL}
    labels = {"serving.knative.dev/route": name_of(found), **own}
    return {
        "metadata": owned(found, name_of(found), labels, _kept(found)),
        "spec": {"type": "ExternalName", "externalName": gateway, "ports": [port], "sessionAffinity": "None"},
    }


def target_hosts(name: str, namespace: str, tag: str) -> list[str]:
    """The cluster-local hosts of a route's target."""
    return local_hosts(f"{tag}-{name}" if tag else name, namespace)
