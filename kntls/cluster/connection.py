"""From a kubeconfig (or a pod's own ServiceAccount) to a `Cluster`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kntls import __version__
from kntls.cluster.client import Cluster
from kntls.cluster.retry import Retry
from kntls.errors import Unreachable, UsageError


def _from_kubeconfig(kubeconfig: str | None, context: str | None) -> tuple[Any, str]:
    from kubernetes import config
    from kubernetes.client import Configuration

    configuration = Configuration()
    try:
        config.load_kube_config(config_file=kubeconfig, context=context, client_configuration=configuration)
        _, active = config.list_kube_config_contexts(config_file=kubeconfig)
    except config.ConfigException as error:
        reason = str(error).removeprefix("Invalid kube-config file. ").rstrip(".")
        fix = "`kubectl config get-contexts` lists what there is; or --kubeconfig FILE, or --lab"
        raise Unreachable(reason, where=kubeconfig or "kubeconfig", fix=fix) from None
    return configuration, context or active["name"]


def _in_cluster() -> tuple[Any, str]:
    from kubernetes import config
    from kubernetes.client import Configuration

    configuration = Configuration()
    config.load_incluster_config(client_configuration=configuration)
    return configuration, "in-cluster"


def _has_kubeconfig(kubeconfig: str | None) -> bool:
    return bool(kubeconfig or os.environ.get("KUBECONFIG")) or Path("~/.kube/config").expanduser().exists()


def connect(
    *,
    kubeconfig: str | None = None,
    context: str | None = None,
    as_user: str | None = None,
    request_timeout: float = 30.0,
    retry: Retry | None = None,
) -> Cluster:
    """A client for the cluster these flags mean, as kubectl would choose it; nothing is asked of it yet.

    Raises `Unreachable` where no kubeconfig, no such context, or no credentials are found.
    """
    from kubernetes.client import ApiClient

    if kubeconfig and not Path(kubeconfig).is_file():
        raise UsageError("no such file", where=kubeconfig, fix="--kubeconfig names an existing file")
    in_pod = "KUBERNETES_SERVICE_HOST" in os.environ and not _has_kubeconfig(kubeconfig)
    configuration, name = _in_cluster() if in_pod else _from_kubeconfig(kubeconfig, context)
    configuration.retries = False
    configuration.connection_pool_maxsize = 16
    api = ApiClient(configuration)
    api.user_agent = f"kntls/{__version__}"
    if as_user:
        api.default_headers["Impersonate-User"] = as_user
    return Cluster(api, name, request_timeout=request_timeout, retry=retry or Retry())
