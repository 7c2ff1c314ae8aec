"""The lab in one process: the store, the API server in front of it, and the simulated components behind it."""

from __future__ import annotations

import base64
import json
import os
import ssl
import tempfile
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from kntls.lab.api.api import Api
from kntls.lab.api.pods import Runtime
from kntls.lab.api.server import LOOPBACK, Server
from kntls.lab.bootstrap import bootstrap
from kntls.lab.faults import Fault, Faults
from kntls.lab.resources import COMPONENTS, Registry
from kntls.lab.shapes import Shapes
from kntls.lab.store import Store
from kntls.pki.create import KeyPair, issue, new_ca

CONTEXT = "kntls-lab"
_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
_LIFETIME = timedelta(days=365)


class Part(Protocol):
    """A simulated component: cert-manager, Knative, the pods."""

    def start(self) -> None:
        """Begin to act."""
        ...

    def stop(self) -> None:
        """Stop, and give back what it holds."""
        ...


class Lab:
    """A whole cluster on loopback; use it as a context manager.

    `kubeconfig` is the file clients read, `store` the objects, `faults` what goes wrong on purpose.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        components: Iterable[str] = COMPONENTS,
        faults: Iterable[Fault | str] = (),
        parts: Sequence[Callable[[Lab], Part]] = (),
        runtime: Runtime | None = None,
        directory: Path | None = None,
    ) -> None:
        """Listen on loopback (port 0 takes a free one); `directory` holds the kubeconfig, a temporary one by default.

        Raises:
            Unreachable: the port is in use.
        """
        names = tuple(components)
        self.faults = Faults()
        for fault in faults:
            self.faults.add(fault)
        self.store = Store(Registry(names), Shapes(names))
        self.ca = new_ca("kntls-lab", lifetime=_LIFETIME)
        self.store.root_ca = self.ca.certificate.pem()
        self.api = Api(self.store, self.faults, runtime)
        self.server = Server(self.api.answer, port, _tls(self.ca))
        self._temporary = None if directory else tempfile.TemporaryDirectory(prefix="kntls-lab-")
        self.directory = directory or Path(self._temporary.name if self._temporary else ".")
        self.parts = [make(self) for make in parts]

    @classmethod
    def whole(cls, layout: str = "upstream", *, speed: float = 60.0, port: int = 0, **rest: Any) -> Lab:
        """A lab with cert-manager, Knative and real TLS endpoints; `speed` is how much faster its waits are.

        Raises:
            Unreachable: the port is in use.
            UsageError: no such layout.
        """
        from kntls.lab.world import part

        return cls(port=port, parts=[part(layout, speed)], **rest)

    @property
    def url(self) -> str:
        """Where the API server listens."""
        return self.server.url

    @property
    def token(self) -> str:
        """The administrator's token."""
        return self.api.gate.tokens.admin

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.directory / "kubeconfig"

    def start(self) -> Lab:
        """Create what every cluster has, serve, and start the components."""
        bootstrap(self.store)
        write_private(self.kubeconfig, self.kubeconfig_text(self.token))
        self.server.start()
        try:
            for part in self.parts:
                part.start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop everything."""
        self.api.stopping.set()
        for part in reversed(self.parts):
            part.stop()
        self.server.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    __enter__ = start

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def kubeconfig_text(self, token: str, namespace: str = "default") -> str:
        """A kubeconfig for the holder of a token."""
        authority = base64.b64encode(self.ca.certificate.pem().encode()).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": CONTEXT, "cluster": {"server": self.url, "certificate-authority-data": authority}}],
            "users": [{"name": CONTEXT, "user": {"token": token}}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT, "namespace": namespace}}],
            "current-context": CONTEXT,
        }
        return json.dumps(config, indent=2) + "\n"


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)


def _tls(ca: KeyPair) -> ssl.SSLContext:
    """The API server's own certificate, signed by the lab's cluster CA."""
    leaf = issue(ca, dns=_NAMES, ips=(LOOPBACK, "10.96.0.1"), common_name="kube-apiserver", lifetime=_LIFETIME)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory(prefix="kntls-lab-") as directory:
        pair = Path(directory) / "pair.pem"
        write_private(pair, leaf.key_pem() + leaf.chain_pem())
        context.load_cert_chain(pair)
    return context
