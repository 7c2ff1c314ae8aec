"""Two tenants on a mesh, and a stand-in for `kubectl exec` that answers as that mesh (or a broken one) would."""

from dataclasses import replace

from kntls.cluster.exec import Completed
from kntls.mesh.authz import MtlsMode
from kntls.mesh.generate.baseline import baseline
from kntls.mesh.generate.model import Target
from kntls.mesh.generate.mtls import Mtls, mtls
from kntls.mesh.generate.tenant import Tenant, tenant
from kntls.mesh.resources import from_objects
from kntls.mesh.topology import topology
from kntls.mesh.verify.live import MARK, pods_of
from kntls.mesh.verify.probes import probes, tenants
from kntls.mesh.world import build

TARGET = Target()
NAMES = ("team-1", "team-2")
TENANTS = {name: (name,) for name in NAMES}
POLICIES = [
    *baseline(TARGET).objects,
    *mtls(Mtls(), TARGET).objects,
    *(made for name in NAMES for made in tenant(Tenant(name, (name,)), TARGET).objects),
]


def pod(namespace, name, labels, account="default", *, sidecar=True, address="10.0.0.9"):
    containers = [{"name": "user"}] + ([{"name": "istio-proxy"}] if sidecar else [])
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": containers, "serviceAccountName": account},
        "status": {"phase": "Running", "podIP": address},
    }


def ksvc(namespace, name, url, **annotations):
    scaling = {f"autoscaling.knative.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"template": {"metadata": {"annotations": scaling}}},
        "status": {"url": url, "latestReadyRevisionName": f"{name}-00001"},
    }


def of_tenant(name):
    local = f"{name}.svc.cluster.local"
    yield pod(name, "curl-1", {"app": "curl"})
    for service in ("scaled", "activated"):
        labels = {"serving.knative.dev/service": service, "serving.knative.dev/configuration": service}
        yield pod(name, f"{service}-1", labels, address=f"10.0.1.{len(service)}")
    yield ksvc(name, "scaled", f"http://scaled.{local}", min_scale="1", target_burst_capacity="0")
    yield ksvc(name, "activated", f"https://activated.{name}.example.com", target_burst_capacity="-1")


SHARED = [
    pod("istio-system", "gw-1", {"app": "istio-ingressgateway", "istio": "ingressgateway"}, "gw"),
    pod(
        "knative-serving",
        "activator-1",
        {"app": "activator", "app.kubernetes.io/component": "activator"},
        "activator",
    ),
    pod("kntls-verify-outside", "curl-1", {"app": "curl"}, sidecar=False),
]
OBJECTS = [*POLICIES, *SHARED, *(each for name in NAMES for each in of_tenant(name))]


def setting(objects=None):
    """World, topology, probes and pods."""
    resources = from_objects(OBJECTS if objects is None else objects)
    world = build(resources)
    scene = topology(resources, world.engine.mesh)
    return world, scene, probes(scene, tenants(scene, TENANTS)), pods_of(scene.members)


class Mesh:
    """Answers `exec` as a mesh that enforces `objects`; counts requests at every proxy they get to."""

    def __init__(self, objects=None, detour=None):
        self.world, self.scene, self.probes, self.pods = setting(objects)
        self.counts = {}
        self.asked = []
        self.detour = detour

    def __call__(self, namespace, name, container, command):
        self.asked.append((namespace, name, container))
        if command[0] == "pilot-agent":
            count = self.counts.get(f"{namespace}/{name}", 0)
            return Completed(f'istio_requests_total{{reporter="destination",response_code="200"}} {count}\n')
        if command[-1].startswith("http://10."):
            return self._plaintext(command[-1])
        return self._request(namespace, name, command)

    def _request(self, namespace, name, command):
        mine = [each for each in self.probes if each.client.name == f"{namespace}/{name}" and each.url == command[-1]]
        hosts = [part.removeprefix("Host: ") for part in command if part.startswith("Host: ")]
        probe = next(each for each in mine if each.host == (hosts[0] if hosts else ""))
        (verdict, *_) = probe.verdicts(self.world)
        for hop in verdict.hops:
            if hop.server.mesh and hop.server.name != self.detour:
                self.counts[hop.server.name] = self.counts.get(hop.server.name, 0) + 1
        body = "RBAC: access denied" if verdict.code == "403" else "Hello Serverless!"
        return Completed(f"{body}\n{MARK}{verdict.code}:{56 if verdict.code == '000' else 0}\n")

    def _plaintext(self, url):
        address = url.partition("://")[2].partition(":")[0]
        workload = next(
            member.workload for member in self.scene.members if member.found.body["status"]["podIP"] == address
        )
        strict = self.world.engine.enforcement(workload).modes.of(8012).mode is MtlsMode.STRICT
        return Completed(f"\n{MARK}{'000:56' if strict else '403:0'}\n")


def without(*names):
    """The objects without the policies of these names."""
    return [each for each in OBJECTS if each["metadata"]["name"] not in names]


def renamed(workload, name):
    """The workload under another name."""
    return replace(workload, name=name)
