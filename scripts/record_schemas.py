"""Record the shapes of objects from a real API server's OpenAPI documents, without their prose.

kubectl get --raw /openapi/v3 …  is asked through the kubeconfig in KNTLS_E2E_KUBECONFIG; the result goes to
kntls/lab/schemas/PART.json, one file for each component whose types the cluster serves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from kntls.lab.resources import TABLE

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


def document(kinds: dict[str, str], definitions: dict[str, Any]) -> str:
    """The file: one line a definition, so that a change of one shows as one line."""
    lines = [f"{json.dumps(name)}:{json.dumps(definitions[name], sort_keys=True)}" for name in sorted(definitions)]
    return f'{{"kinds":{json.dumps(kinds, sort_keys=True)},\n"definitions":{{\n' + ",\n".join(lines) + "\n}}\n"


def main() -> int:
    """Write one file a component."""
    index = ask("/openapi/v3")["paths"]
    for part in dict.fromkeys(resource.part_of for resource in TABLE):
        found: dict[str, Any] = {}
        kinds: dict[str, str] = {}
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
        if kinds:
            (TARGET / f"{part}.json").write_text(document(kinds, found))
            print(f"{part}: {len(kinds)} kinds, {len(found)} definitions", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
