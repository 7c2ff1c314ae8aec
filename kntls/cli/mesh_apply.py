"""`--apply` of generated manifests: plan, diff, question, server-side apply."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kntls.cli.carry import carry_out
from kntls.cli.mesh_input import read_text
from kntls.cli.options import Common
from kntls.cli.session import Live, connect
from kntls.errors import UsageError

if TYPE_CHECKING:
    from kntls.mesh.generate.model import Generated
    from kntls.model.plan import Action


def _secrets(generated: Generated) -> Iterator[Action]:
    """The TLS Secrets made from the user's own files."""
    from kntls.mesh.plans import tls_secret
    from kntls.model.kinds import SECRET
    from kntls.model.objects import ObjectRef

    for place, files in generated.secret_files.items():
        namespace, _, name = place.partition("/")
        paths = {key: path for key, _, path in (each.partition("=") for each in files)}
        texts = {key: read_text(path) for key, path in paths.items()}
        yield tls_secret(ObjectRef(SECRET, name, namespace), texts["tls.crt"], texts["tls.key"])


def apply_generated(common: Common, title: str, generated: Generated, namespace: str) -> None:
    """Carry out the manifests as a plan, under the lease in `namespace`."""
    from kntls.mesh.plans import apply_plan, kinds_of
    from kntls.observe.live import Observer

    if common.files:
        raise UsageError("--apply writes to a cluster; -f reads from files", fix="leave one of them out")
    if generated.files:
        names = ", ".join(generated.files)
        raise UsageError(f"{names} belongs to Helm and cannot be applied", fix="use --directory, then helm upgrade -f")
    plan = apply_plan(title, generated.objects, more=_secrets(generated), notes=generated.notes)
    cluster = connect(common)
    session = Live(cluster, Observer(cluster, secret_namespaces=(namespace,)))
    session.look(kinds_of(plan))
    if carry_out(plan, session, common, namespace=namespace) is not None:
        print("applied", file=sys.stderr)  # noqa: T201
