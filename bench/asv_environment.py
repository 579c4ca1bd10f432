"""Installs a commit's wheel into the environment that asv builds, with what this machine's devices need.

asv.conf.json calls it as a program, by the environment's own Python, which holds nothing but pip and uv: so it imports
nothing else. asv fills no variables of the caller into its commands, but hands them on: EXTRAS is read here, spelt as
for `make bench`: `EXTRAS=[gpu] asv run`.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from difflib import get_close_matches

USUAL = "[tensorflow]"
EXTRAS = ("tensorflow", "gpu", "jax", "tpu", "torch")
NEEDED = ("msgspec", "psutil", "trustme")  # what the harness imports in a measured process, and no wheel asks for


def command(environment: str, wheel: str, constraints: str, variables: Mapping[str, str]) -> list[str]:
    """The words that install a wheel.

    Args:
        environment: Folder of asv's environment.
        wheel: The commit's wheel.
        constraints: File of pinned versions.
        variables: Of the caller: EXTRAS, `[gpu]` or `gpu`, several by commas.

    Raises:
        SystemExit: If EXTRAS names what the project does not have; with a sentence.
    """
    asked = variables.get("EXTRAS") or USUAL
    extras = [name.strip() for name in asked.strip().removeprefix("[").removesuffix("]").split(",")]
    unknown = [name for name in extras if name not in EXTRAS]
    if unknown:
        meant = "".join(f"; did you mean {name}?" for name in get_close_matches(unknown[0], EXTRAS, n=1))
        raise SystemExit(f"EXTRAS must be of {', '.join(EXTRAS)}, e.g. EXTRAS=[gpu]. Received: {asked}{meant}")
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", environment, "--compile-bytecode"]
    return [*install, "--constraint", constraints, *NEEDED, f"{wheel}[{','.join(extras)}]"]


if __name__ == "__main__":
    sys.exit(subprocess.call(command(sys.argv[1], sys.argv[2], sys.argv[3], os.environ)))
