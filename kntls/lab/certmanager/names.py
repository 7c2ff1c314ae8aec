"""The resources cert-manager's controllers work on, and how one of them has others look at an object again."""

from __future__ import annotations

from collections.abc import Callable

CERTIFICATES, REQUESTS = "certificates.cert-manager.io", "certificaterequests.cert-manager.io"
CLUSTER_ISSUERS, ISSUERS = "clusterissuers.cert-manager.io", "issuers.cert-manager.io"
REVISION = "cert-manager.io/certificate-revision"

Enqueue = Callable[[str, str, str, float], None]
"""Look at (kind, namespace, name) in so many real seconds."""
