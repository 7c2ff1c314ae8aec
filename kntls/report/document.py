"""JSON and YAML answers: one versioned document each."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from io import StringIO
from typing import Any, TextIO

from kntls.model.concealed import Concealed

API_VERSION = "kntls.dev/v1alpha1"


def document(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A document of that kind: `apiVersion`, `kind`, then the body's camelCase keys."""
    return {"apiVersion": API_VERSION, "kind": kind, **body}


def render(kind: str, body: Mapping[str, Any], output: str) -> str:
    """The document as `json` or `yaml` text, ending in a newline."""
    text = StringIO()
    emit(kind, body, output, text)
    return text.getvalue()


def _dumper(yaml: Any) -> Any:
    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    blocks = type("Blocks", (base,), {"__doc__": "Multi-line text as literal blocks, as people write it."})

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    blocks.ignore_aliases = lambda self, data: True  # type: ignore[attr-defined] # a manifest repeats, it does not refer
    blocks.add_representer(str, text)  # type: ignore[attr-defined]
    blocks.add_representer(Concealed, lambda dumper, value: text(dumper, str(value)))  # type: ignore[attr-defined]
    return blocks


def dump_yaml(value: Any) -> str:
    """Any plain value as YAML, multi-line text in literal blocks."""
    import yaml

    return str(yaml.dump(value, sort_keys=False, allow_unicode=True, Dumper=_dumper(yaml)))


def emit(kind: str, body: Mapping[str, Any], output: str, stream: TextIO | None = None) -> None:
    """Write the document as `json` or `yaml` to standard output (or another stream), piece by piece: it may be long."""
    whole, stream = document(kind, body), stream or sys.stdout
    if output == "json":
        json.dump(whole, stream, indent=2, ensure_ascii=False)
        stream.write("\n")
        return
    import yaml

    yaml.dump(whole, stream, sort_keys=False, allow_unicode=True, Dumper=_dumper(yaml))
