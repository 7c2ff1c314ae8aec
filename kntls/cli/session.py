"""From common flags to a cluster or files, and to an observation: what every command starts with."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kntls.cli.options import Common
from kntls.errors import Forbidden, NotFound, NotInstalled, UsageError

if TYPE_CHECKING:
    from kntls.cluster.client import Cluster
    from kntls.model.kinds import Kind
    from kntls.model.observation import Observation
    from kntls.observe.live import Observer, Reduce
    from kntls.report.text import Look

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def trace_requests() -> None:
    """Show on standard error what is asked of the API server, and what it answers (never a body)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("kntls: %(message)s"))
    logger = logging.getLogger("kntls")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)


def seconds(text: str, flag: str) -> float:
    """A duration as kubectl writes them: `90`, `30s`, `10m`, `1h30m`. Raises `UsageError`."""
    if not text or not re.fullmatch(r"(\d+(\.\d+)?[smhd]?)+", text):
        raise UsageError(f"not a duration: {text!r}", where=flag, fix="write it like 30s, 10m or 1h")
    return sum(float(number) * UNITS[unit] for number, _, unit in re.findall(r"(\d+(\.\d+)?)([smhd]?)", text))


def object_name(text: str, flag: str) -> str:
    """A name that an object may have. Raises `UsageError`."""
    if text and not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", text):
        raise UsageError(f"no name for an object: {text!r}", where=flag, fix="lower-case letters, digits, - and .")
    return text


def output_of(common: Common, allowed: Iterable[str] = ()) -> str:
    """The wanted output format. Raises `UsageError` for one that is not allowed, where any are named."""
    wanted = common.output or "table"
    if allowed and wanted not in allowed:
        raise UsageError(f"no such output: {wanted!r}", where="-o", fix=f"one of {', '.join(allowed)}")
    return wanted


def look_of(common: Common) -> Look:
    """How tables are to look on standard output."""
    from kntls.report.text import Look

    return Look.of(sys.stdout, wide=common.output == "wide", no_color=common.no_color)


def connect(common: Common) -> Cluster:
    """The cluster the flags mean; nothing is asked of it yet."""
    from kntls.cluster.connection import connect as connect_to

    kubeconfig, context = common.kubeconfig, common.context
    if common.lab and (kubeconfig or context):
        raise UsageError(
            "the lab has a kubeconfig of its own", where="--lab", fix="leave out --kubeconfig and --context"
        )
    if common.lab:
        from kntls.lab.state import kubeconfig_path

        kubeconfig, context = str(kubeconfig_path()), None
    timeout = seconds(common.request_timeout or "30s", "--request-timeout")
    return connect_to(kubeconfig=kubeconfig, context=context, as_user=common.as_user, request_timeout=timeout)


@dataclass
class Live:
    """A cluster with its observer, and what was observed last."""

    cluster: Cluster
    observer: Observer
    observation: Observation = field(init=False)

    def look(self, kinds: Iterable[Kind] | None = None, before: Observation | None = None) -> Observation:
        """Read these kinds (everything by default) anew."""
        from kntls.observe.live import EVERYTHING

        self.observation = self.observer.observe(EVERYTHING if kinds is None else kinds, before)
        return self.observation


def live(
    common: Common,
    *,
    handshakes: bool = False,
    partial: bool = False,
    kinds: frozenset[Kind] | None = None,
    reduce: Reduce | None = None,
) -> Live:
    """Connect and observe everything once; with `handshakes`, greet every server as well.

    `kinds` and `reduce` say what is read, and what is kept of each object, where that is less than usual.

    Raises `Forbidden` where what nothing can be judged without may not be read, unless a `partial` answer will do.
    """
    from kntls.certmanager.installation import detect
    from kntls.model.kinds import HANDSHAKES, SECRET
    from kntls.observe.live import EVERYTHING, Observer
    from kntls.probe.reach import dialer_for
    from kntls.trust.presented import sense

    cluster = connect(common)
    cluster.version()
    observer = Observer(cluster, senses={HANDSHAKES: sense(dialer_for)})
    observer.reduce = reduce or observer.reduce
    session = Live(cluster, observer)
    observation = session.look((EVERYTHING if kinds is None else kinds) - {SECRET})
    if not partial:
        _require(observation)
    try:
        observer.secret_namespaces = (detect(observation).resource_namespace,)
    except NotInstalled:
        observer.secret_namespaces = ()
    session.look({SECRET, HANDSHAKES} if handshakes else {SECRET}, observation)
    return session


def _require(observation: Observation) -> None:
    from kntls.model.kinds import CONFIG_MAP, DEPLOYMENT

    for kind in (DEPLOYMENT, CONFIG_MAP):
        if not observation.knows(kind):
            reason = next(entry.reason for entry in observation.unread if entry.what == kind.resource)
            raise Forbidden(reason, fix="`kubectl apply -f manifests/rbac/view.yaml`, and bind it")


@dataclass
class Offline:
    """Files instead of a cluster: enough to plan, not to carry out."""

    observation: Observation


def live_or_files(common: Common, needs: Sequence[Kind] = (), *, handshakes: bool = True) -> Live | Offline:
    """A cluster, or with `-f` what files say of the kinds it `needs`."""
    return Offline(observe(common, needs)) if common.files else live(common, handshakes=handshakes)


def observe(
    common: Common,
    needs: Sequence[Kind] = (),
    *,
    handshakes: bool = False,
    kinds: frozenset[Kind] | None = None,
    reduce: Reduce | None = None,
) -> Observation:
    """An observation of whatever the flags mean: files with `-f`, else a cluster, read as `live` does.

    Of the kinds that it `needs`, those of which the files hold nothing are told of and listed as not looked at.
    Raises `NotFound` where `-n` names a namespace that is not there.
    """
    if not common.files:
        found = live(common, handshakes=handshakes, kinds=kinds, reduce=reduce).observation
    else:
        from kntls.observe.files import from_files

        found = _with_gaps(from_files(common.files, datetime.now(UTC)), needs)
    require_namespace(found, common.namespace)
    return found


def _with_gaps(observation: Observation, needs: Sequence[Kind]) -> Observation:
    from kntls.model.observation import Unread
    from kntls.observe.files import gathering, lacking

    missing = lacking(observation, needs)
    if not missing:
        return observation
    names = ", ".join(f"{kind}es" if kind.name.endswith("s") else f"{kind}s" for kind in missing)
    sys.stderr.write(f"kntls: the files hold no {names} (fix: where there are any, `{gathering(missing)}`)\n")
    unread = (Unread(kind.resource, "none in the files") for kind in missing)
    return replace(observation, unread=(*observation.unread, *unread))


def require_namespace(observation: Observation, name: str | None) -> None:
    """Raise `NotFound` for a namespace that is not there, as far as that can be told."""
    from kntls.model.kinds import NAMESPACE

    if name is None or observation.get(NAMESPACE, name) is not None:
        return
    if not observation.live:
        if not observation.mentions(name):
            raise NotFound("no object of this namespace is in the files", where=name, fix="leave -n out, or add files")
    elif observation.knows(NAMESPACE):
        raise NotFound("no such namespace", where=name, fix="`kubectl get namespaces` lists them")
