"""Records a real run of `kntls demo` as docs/demo.svg, the picture at the top of the README.

python scripts/record_demo.py
"""

from __future__ import annotations

import os
import pty
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

TARGET = Path(__file__).parent.parent / "docs" / "demo.svg"
COMMAND = [sys.executable, "-m", "kntls", "demo"]
WIDTH = 84


def run() -> tuple[str, int]:
    """What the demo writes to a terminal, and its exit code."""
    seen: list[bytes] = []

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, 65536)
        seen.append(data)
        return data

    os.environ.pop("NO_COLOR", None)
    os.environ["TERM"] = "xterm-256color"
    status = pty.spawn(COMMAND, read)
    return b"".join(seen).decode(), os.waitstatus_to_exitcode(status)


def still(text: str) -> str:
    """The lines that stay: of a line that was written over, only what was written last."""
    lines = (line.rsplit("\r\033[K", 1)[-1] for line in text.replace("\r\n", "\n").split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def self_contained(picture: str) -> str:
    """The picture without fonts from elsewhere: the viewer's own monospace font will do."""
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.S)
    return re.sub(r"<!--.*?-->\s*", "", picture, flags=re.S)


def main() -> int:
    """Record, unless the story went wrong."""
    text, code = run()
    if code:
        print(f"kntls demo ended with {code}; nothing recorded", file=sys.stderr)
        return code
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    console.print(Text.from_ansi(f"$ kntls demo\n{still(text)}"))
    TARGET.parent.mkdir(exist_ok=True)
    picture = console.export_svg(title="kntls demo", theme=MONOKAI, unique_id="kntls-demo")
    TARGET.write_text(self_contained(picture))
    print(f"\nrecorded in {TARGET}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
