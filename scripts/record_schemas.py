"""Record the shapes of objects from a real API server's OpenAPI documents, without their prose.

kubectl get --raw /openapi/v3 …  is asked through the kubeconfig in KNTLS_E2E_KUBECONFIG; the result goes to
kntls/lab/schemas/PART.json, one file for each component whose types the cluster serves.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from kntls.lab.resources import TABLE, Resource

TARGET = Path(__file__).resolve().parent.parent / "kntls" / "lab" / "schemas"
PROSE = ("description", "example", "externalDocs", "title")
REF = "#/components/schemas/"


def ask(path: str) -> Any:
    """One document of the real API server."""
    command = ["kubectl", "--kubeconfig", os.environ["KNTLS_E2E_KUBECONFIG"], "get", "--raw", path]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def plain(node: Any, *, names: bool = False) -> Any:
    """A schema without prose; `names` says that the keys are property names, which may well be `description`."""
    if isinstance(node, list):
        return [plain(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    kept = {key: value for key, value in node.items() if names or key not in PROSE}
    return {key: plain(value, names=key == "properties" and not names) for key, value in kept.items()}


def references(node: Any) -> set[str]:
    """Every definition a schema refers to directly."""
    if isinstance(node, list):
        return set().union(*map(references, node))
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"].removeprefix(REF)} if isinstance(node.get("$ref"), str) else set()
    return own.union(*map(references, node.values()))


def closure(name: str, definitions: dict[str, Any], found: dict[str, Any]) -> None:
    """Add a definition and all it needs to `found`."""
    if name in found:
        return
    found[name] = plain(definitions[name])
    for other in references(found[name]):
        closure(other, definitions, found)


def kind_of(schema: dict[str, Any]) -> set[tuple[str, str, str]]:
    """The group, version and kind a definition stands for."""
    entries = schema.get("x-kubernetes-group-version-kind", [])
    return {(entry["group"], entry["version"], entry["kind"]) for entry in entries}


def columns(resource: Resource) -> list[dict[str, Any]]:
    """The columns that the definition of a custom resource prints."""
    crd = ask(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{resource.key}")
    version = next(v for v in crd["spec"]["versions"] if v["name"] == resource.version)
    return [
        {key: value for key, value in column.items() if key != "description"}
        for column in version.get("additionalPrinterColumns", ())
    ]


MESSAGE = re.compile(r"^message (\w+) \{(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"^ +(?:optional |(repeated )|(?=map<))(map<\w+, *[\w.]+>|[\w.]+) (\w+) = (\d+);", re.MULTILINE)


def messages(root: Path) -> dict[str, dict[str, list[str]]]:
    """Message name → field number → [name, type]; `[]` after the type of a repeated field."""
    found: dict[str, dict[str, list[str]]] = {}
    for path in sorted(root.rglob("generated.proto")):
        text = path.read_text()
        package = re.search(r"^package ([\w.]+);", text, re.MULTILINE)[1]
        for name, body in MESSAGE.findall(text):
            fields = FIELD.findall(body)
            found[f"{package}.{name}"] = {
                number: [field, qualified(kind, package) + ("[]" if many else "")]
                for many, kind, field, number in fields
            }
    return found


def qualified(kind: str, package: str) -> str:
    """A type with its package; maps by the type of their values."""
    if kind.startswith("map<"):
        return f"map {qualified(kind[4:-1].split(',')[1].strip(), package)}"
    if kind in ("string", "bytes", "bool", "int32", "int64", "double", "uint32", "uint64"):
        return kind
    return kind.lstrip(".") if "." in kind else f"{package}.{kind}"


def needed(kinds: list[str], known: dict[str, Any], found: dict[str, Any]) -> None:
    """Add messages and all they refer to to `found`."""
    for kind in kinds:
        if kind in known and kind not in found:
            found[kind] = known[kind]
            types = [field[1].removesuffix("[]").removeprefix("map ") for field in known[kind].values()]
            needed(types, known, found)


EXTRA = ("authentication.v1.TokenRequest", "meta.v1.DeleteOptions", "autoscaling.v1.Scale", "policy.v1.Eviction")


def record_messages(root: Path) -> None:
    """Write the protobuf messages of the built-in types and of what kubectl sends beside them."""
    known = messages(root)
    built_in = [r for r in TABLE if not r.custom]
    wanted = [f".{(r.group.split('.')[0] or 'core')}.{r.version}.{r.kind}" for r in built_in]
    wanted += [f".{name}" for name in EXTRA]
    names = [name for name in known if name.endswith(tuple(wanted))]
    found: dict[str, Any] = {}
    needed(names, known, found)
    lines = [f"{json.dumps(name)}:{json.dumps(found[name], sort_keys=True)}" for name in sorted(found)]
    (TARGET / "protobuf.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"protobuf: {len(found)} messages", file=sys.stderr)


def document(kinds: dict[str, str], definitions: dict[str, Any], printed: dict[str, Any]) -> str:
    """The file: one line a definition, so that a change of one shows as one line."""
    lines = [f"{json.dumps(name)}:{json.dumps(definitions[name], sort_keys=True)}" for name in sorted(definitions)]
    head = f'"kinds":{json.dumps(kinds, sort_keys=True)},\n"columns":{json.dumps(printed, sort_keys=True)},\n'
    return "{" + head + '"definitions":{\n' + ",\n".join(lines) + "\n}}\n"


def main() -> int:
    """Write one file a component."""
    index = ask("/openapi/v3")["paths"]
    for part in dict.fromkeys(resource.part_of for resource in TABLE):
        found: dict[str, Any] = {}
        kinds: dict[str, str] = {}
        printed: dict[str, Any] = {}
        for resource in (r for r in TABLE if r.part_of == part):
            path = f"apis/{resource.api_version}" if resource.group else "api/v1"
            if path not in index:
                continue
            definitions = ask(index[path]["serverRelativeURL"])["components"]["schemas"]
            wanted = (resource.group, resource.version, resource.kind)
            names = [name for name, schema in definitions.items() if wanted in kind_of(schema)]
            if names:
                kinds[f"{resource.api_version} {resource.kind}"] = names[0]
                closure(names[0], definitions, found)
                printed |= {resource.key: columns(resource)} if resource.custom else {}
        if kinds:
            (TARGET / f"{part}.json").write_text(document(kinds, found, printed))
            print(f"{part}: {len(kinds)} kinds, {len(found)} definitions", file=sys.stderr)
    if len(sys.argv) > 1:
        record_messages(Path(sys.argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
