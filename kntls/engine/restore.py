"""Temporary changes leave a note on the object: the patch that takes them back, for whoever comes after a crash."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kntls.errors import InputError
from kntls.model.kinds import CONFIG_MAP, DEPLOYMENT, Kind
from kntls.model.objects import Object, ObjectRef, annotations_of, name_of, namespace_of
from kntls.model.observation import Observation
from kntls.model.plan import Change, Verb

ANNOTATION = "kntls.dev/restore"
"""Holds a JSON merge patch with the former values."""
NOTED: tuple[Kind, ...] = (DEPLOYMENT, CONFIG_MAP)
"""The kinds that are changed for a time."""


def changing(ref: ObjectRef, patch: Mapping[str, Any], former: Mapping[str, Any]) -> Change:
    """A temporary change: the patch, with the former values written beside it in the same request."""
    note = {"metadata": {"annotations": {ANNOTATION: json.dumps(former, sort_keys=True)}}}
    return Change(Verb.MERGE, ref, merged_patch(note, patch))


def restoring(obj: Object, ref: ObjectRef) -> tuple[Change, ...]:
    """The change that takes a temporary one back; none where the object carries no note.

    Raises `InputError` for a note that is no patch.
    """
    note = annotations_of(obj).get(ANNOTATION)
    if note is None:
        return ()
    try:
        former = json.loads(note)
    except ValueError:
        raise InputError(f"annotation {ANNOTATION} is not JSON", where=str(ref)) from None
    clean = {"metadata": {"annotations": {ANNOTATION: None}}}
    return (Change(Verb.MERGE, ref, merged_patch(former, clean)),)


def merged_patch(first: Any, second: Any) -> Any:
    """Two merge patches as one; unlike merging into an object, nulls stay."""
    if not isinstance(first, Mapping) or not isinstance(second, Mapping):
        return second
    both = {key: merged_patch(first[key], second[key]) for key in first.keys() & second.keys()}
    return {**first, **second, **both}


def left_over(observation: Observation) -> Iterator[ObjectRef]:
    """Objects that still carry a note: an interrupted run's, or those of one that is at work."""
    for kind in NOTED:
        for obj in observation.all(kind):
            if ANNOTATION in annotations_of(obj):
                yield ObjectRef(kind, name_of(obj), namespace_of(obj))
