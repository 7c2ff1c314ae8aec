"""ServiceAccounts with the roles in manifests/, and kntls run with their tokens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.e2e import kube

ROOT = Path(__file__).parents[2]
RBAC = ROOT / "manifests" / "rbac"
HOME = "kntls-accounts"


def install() -> None:
    """Apply the roles as a user would, and make a namespace for the accounts."""
    kube.run("apply", "-k", str(RBAC))
    kube.run("create", "namespace", HOME)


def account(name: str, *roles: str) -> None:
    """A ServiceAccount bound to these ClusterRoles."""
    kube.run("-n", HOME, "create", "serviceaccount", name)
    for role in roles:
        subject = f"--serviceaccount={HOME}:{name}"
        kube.run("create", "clusterrolebinding", f"{name}-{role}", f"--clusterrole={role}", subject)


def kubeconfig(name: str, directory: Path) -> Path:
    """The administrator's kubeconfig with the account's token in it."""
    token = kube.run("-n", HOME, "create", "token", name).stdout.strip()
    config = yaml.safe_load(Path(kube.kubeconfig()).read_text())
    config["users"] = [{"name": entry["name"], "user": {"token": token}} for entry in config["users"]]
    path = directory / f"{name}.kubeconfig"
    path.write_text(json.dumps(config))
    return path


def kntls(config: Path, *arguments: str, seconds: float = 600) -> subprocess.CompletedProcess[str]:
    """Run the CLI with that kubeconfig; KNTLS_E2E_PROGRAM may name another module than `kntls`."""
    program = os.environ.get("KNTLS_E2E_PROGRAM", "kntls")
    command = [sys.executable, "-m", program, *arguments, "--kubeconfig", str(config)]
    environment = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds, check=False
    )
