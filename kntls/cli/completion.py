"""`kntls completion`: the script that completes commands and flags in a shell."""

from __future__ import annotations

from typing import Annotated

import typer

from kntls.cli.main import COMPLETE
from kntls.cli.options import Common, group, with_common
from kntls.errors import UsageError

SHELLS = ("bash", "zsh", "fish")

app = group("Print the completion script of a shell.")


def completion(
    common: Common, shell: Annotated[str, typer.Argument(help="bash, zsh or fish", metavar="SHELL")]
) -> None:
    """Print the completion script: `source <(kntls completion bash)`."""
    from typer._completion_shared import get_completion_script

    if shell not in SHELLS:
        raise UsageError(f"no such shell: {shell!r}", fix=f"one of {', '.join(SHELLS)}")
    typer.echo(get_completion_script(prog_name="kntls", complete_var=COMPLETE, shell=shell))


app.command()(with_common(completion, ()))
