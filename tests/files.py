"""A world as files: what `kubectl get … -o yaml` prints of it, for commands that read with `-f`."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import yaml

from tests.world import World


def _as_sent(obj: dict[str, Any]) -> dict[str, Any]:
    """A scrubbed Secret as a must-gather without private keys shows it."""
    if obj.get("kind") != "Secret":
        return obj
    data = {key: base64.b64encode(text.encode()).decode() for key, text in obj["data"].items()}
    return {key: obj[key] for key in ("apiVersion", "kind", "type", "metadata")} | {"data": data}


def write(world: World, directory: Path) -> Path:
    """Write every object, one file a kind; the directory."""
    for kind, items in world.objects.items():
        if items:
            documents = [_as_sent(obj) for obj in items.values()]
            (directory / f"{kind.plural}-{kind.group or 'core'}.yaml").write_text(yaml.safe_dump_all(documents))
    return directory
