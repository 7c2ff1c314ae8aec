"""Record what a real API server answers to the conformance scenarios, or compare it with what is recorded.

    KNTLS_E2E_KUBECONFIG=… record_conformance.py [--check] [SCENARIO…]

Transcripts go to tests/lab/conformance/transcripts; the lab must produce the same ones (tests/lab/test_conformance.py).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.lab.conformance import replay


def changed(path: Path, records: list[dict[str, Any]]) -> int:
    """How many answers differ from the recorded ones; names each on standard error."""
    known = {record["say"]: record for record in json.loads(replay.transcript(path).read_text())}
    differing = [record["say"] for record in records if known.get(record["say"]) != record]
    for say in differing:
        print(f"{path.stem}: {say}: not as recorded", file=sys.stderr)
    return len(differing)


def main() -> int:
    """Run the scenarios; with --check, exit 1 if an answer differs from the recorded one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare instead of recording")
    parser.add_argument("scenario", nargs="*", help="names or beginnings of names; default: all")
    given = parser.parse_args()
    server = replay.Server(Path(os.environ["KNTLS_E2E_KUBECONFIG"]))
    failed = steps = 0
    for path in replay.scenarios():
        if given.scenario and not path.stem.startswith(tuple(given.scenario)):
            continue
        try:
            records = replay.Scenario(path, server).run()
        except (TimeoutError, OSError) as error:
            failed += 1
            print(f"{path.stem}: {error}", file=sys.stderr)
            continue
        steps += len(records)
        if given.check:
            failed += changed(path, records)
        else:
            replay.write(path, records)
        print(f"{path.stem}: {len(records)} interactions", file=sys.stderr)
    print(f"{steps} interactions, {failed} failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
