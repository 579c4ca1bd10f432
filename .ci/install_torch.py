"""Installs torch's CPU build into the environment of this Python where pip finds one, and else says why not.

PyPI's own wheel for Linux on x86-64 brings 3 GB of CUDA, which no test needs: it is left there.
"""

import json
import subprocess
import sys

WANTED = "torch==2.13.0"  # of several builds of a release pip prefers the one with a suffix, `+cpu`


def plan() -> list[str]:
    """Names of the packages that pip would install.

    Raises:
        SystemExit: If pip cannot have it; says what pip said.
    """
    dry = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--no-input", "--report", "-", WANTED]
    done = subprocess.run(dry, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        sys.exit(f"torch is not installed, and its tests are skipped: pip says: {said}")
    return [package["metadata"]["name"] for package in json.loads(done.stdout)["install"]]


def main() -> None:
    """Installs it, unless it comes with CUDA."""
    if any(name.startswith("nvidia-") for name in plan()):
        sys.exit("torch is not installed, and its tests are skipped: pip finds a build with CUDA alone, of 3 GB")
    # Python compiles what is imported at the first import; all of torch would take 15 s.
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", WANTED], check=True)


if __name__ == "__main__":
    main()
