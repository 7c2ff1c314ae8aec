"""Generated manifests as text: a YAML stream, a directory of files, or a kustomization."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kntls.errors import InputError
from kntls.model.objects import Object, name_of, namespace_of
from kntls.report.document import dump_yaml


@dataclass(frozen=True)
class Manifests:
    """What there is to write."""

    objects: Sequence[Object]
    files: Mapping[str, Any] = field(default_factory=dict)
    """File name → content that is no Kubernetes object."""
    secret_files: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """`namespace/name` → `key=path`: Secrets that a kustomization makes from the user's own files."""


def stream(manifests: Manifests, output: str = "yaml") -> str:
    """All objects for standard output: `yaml` documents, a `json` List, or `name`s as kubectl writes them.

    Files that are no objects follow as comments, so that the stream can still be applied; alone they are printed as
    they are.
    """
    if output == "json":
        items = {"apiVersion": "v1", "kind": "List", "items": list(manifests.objects)}
        return json.dumps(items, indent=2, ensure_ascii=False) + "\n"
    if output == "name":
        return "".join(f"{_name(each)}\n" for each in manifests.objects)
    documents = "---\n".join(dump_yaml(each) for each in manifests.objects)
    if not documents:
        return "---\n".join(dump_yaml(content) for content in manifests.files.values())
    return documents + "".join(_comment(name, content) for name, content in manifests.files.items())


def _name(obj: Object) -> str:
    group = str(obj["apiVersion"]).rpartition("/")[0]
    kind = str(obj["kind"]).lower()
    space = f" -n {namespace_of(obj)}" if namespace_of(obj) else ""
    return f"{kind}{'.' + group if group else ''}/{name_of(obj)}{space}"


def _comment(name: str, content: Any) -> str:
    lines = dump_yaml(content).splitlines()
    return "".join(f"# {line}\n" for line in (f"--- {name}", *lines))


def file_name(obj: Object) -> str:
    """`authorizationpolicy-tenant-1-allow-from-knative-and-istio.yaml`."""
    parts = (str(obj["kind"]).lower(), namespace_of(obj), name_of(obj))
    return "-".join(part for part in parts if part) + ".yaml"


def texts(manifests: Manifests, *, kustomize: bool = False) -> dict[str, str]:
    """File name → text, with a `kustomization.yaml` where asked for."""
    written = {file_name(each): dump_yaml(each) for each in manifests.objects}
    if kustomize:
        written["kustomization.yaml"] = dump_yaml(_kustomization(manifests, list(written)))
    return written | {name: dump_yaml(content) for name, content in manifests.files.items()}


def _kustomization(manifests: Manifests, resources: Sequence[str]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": list(resources),
    }
    secrets = [_secret(place, files) for place, files in manifests.secret_files.items()]
    if secrets:
        body["secretGenerator"] = secrets
        body["generatorOptions"] = {"disableNameSuffixHash": True}
    return body


def _secret(place: str, files: Sequence[str]) -> dict[str, Any]:
    """A Secret from files beside the kustomization: kustomize reads none outside its own directory."""
    namespace, _, name = place.partition("/")
    beside = [f"{key}={Path(path).name}" for key, _, path in (each.partition("=") for each in files)]
    return {"name": name, "namespace": namespace, "type": "kubernetes.io/tls", "files": beside}


def write(directory: str, manifests: Manifests, *, kustomize: bool = False) -> list[str]:
    """Write the files and return their paths; what lies there under other names stays.

    Raises `InputError` where the directory cannot be written.
    """
    root = Path(directory)
    paths = []
    try:
        root.mkdir(parents=True, exist_ok=True)
        for name, text in texts(manifests, kustomize=kustomize).items():
            (root / name).write_text(text, encoding="utf-8")
            paths.append(str(root / name))
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=directory) from error
    return paths
