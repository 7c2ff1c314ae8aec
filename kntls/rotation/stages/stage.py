"""What a stage is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kntls.model.plan import Action
from kntls.rotation.situation import Situation, Target


@dataclass(frozen=True)
class Stage:
    """One stage: a name, what it achieves, and its actions."""

    name: str
    achieves: str
    actions: Callable[[Situation, Target], tuple[Action, ...]]
    """From the situation at planning time; each action's functions judge fresh observations."""
