"""The stages, one small file each, in order. A new stage is one module with a `STAGE`, named here."""

from kntls.rotation.stages.consume import STAGE as CONSUME
from kntls.rotation.stages.distribute import STAGE as DISTRIBUTE
from kntls.rotation.stages.prepare import STAGE as PREPARE
from kntls.rotation.stages.reissue import STAGE as REISSUE
from kntls.rotation.stages.retire import STAGE as RETIRE
from kntls.rotation.stages.serve import STAGE as SERVE
from kntls.rotation.stages.stage import Stage
from kntls.rotation.stages.switch import STAGE as SWITCH

STAGES: tuple[Stage, ...] = (PREPARE, DISTRIBUTE, CONSUME, SWITCH, REISSUE, SERVE, RETIRE)


def by_name(name: str) -> Stage | None:
    """The stage of that name."""
    return next((stage for stage in STAGES if stage.name == name), None)


__all__ = ["CONSUME", "DISTRIBUTE", "PREPARE", "REISSUE", "RETIRE", "SERVE", "STAGES", "SWITCH", "Stage", "by_name"]
