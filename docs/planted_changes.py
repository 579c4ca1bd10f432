"""Fifteen commits, three of which change how long a model trains: does `regressions --confirm` name those three alone?

`python docs/planted_changes.py FOLDER [PERCENT]` clones this project into FOLDER, makes the commits there, lets
`asv run` measure one cell of each, and prints what was planted beside what was named. PERCENT (10) is how much slower
each slower commit is. Some 15 minutes on two quiet cores; started again with the same FOLDER it goes on.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]
COMMITS = 15
PLANTED = {5: "slower", 9: "faster", 13: "slower"}  # the number of a commit, and what becomes of the time
MODEL = Path("flowers_core") / "models" / "dense.py"
UNITS = 500  # of the layer that holds nearly all parameters: a step takes as much longer as it has more
QUICK = ("--attribute", "rounds=3")  # processes a commit, of five: minutes
CELL = r"^step\.Step\.track_step_seconds\('dense', 8, 'float32', 'cpu', 'train'\)"


def run(folder: Path, *words: str, quiet: bool = False) -> str:
    """Runs a command in the clone, whose own code it imports; gives what it printed unless the terminal shows it.

    Raises:
        CalledProcessError: If it fails.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLOWERS_")}
    env = {**kept, "PYTHONPATH": str(folder)}
    done = subprocess.run(words, cwd=folder, env=env, check=True, text=True, stdout=subprocess.PIPE if quiet else None)
    return done.stdout or ""


def commit(folder: Path, percent: float) -> None:
    """Makes the commits: each changes the model's file, three of them the number of units."""
    path, units = folder / MODEL, UNITS
    for number in range(1, COMMITS + 1):
        change = PLANTED.get(number, "")
        more = round(UNITS * (1 + percent / 100))
        after = {"slower": more, "faster": UNITS}.get(change, units)
        text = path.read_text("utf-8").replace(f"Dense({units},", f"Dense({after},")
        path.write_text(f"{text}# {number}\n", "utf-8")
        units = after
        subject = f"planted: {change}, {units} units" if change else f"harmless {number}"
        git = ("git", "-c", "user.name=lab", "-c", "user.email=lab@localhost", "-c", "commit.gpgsign=false")
        run(folder, *git, "commit", "--quiet", "--all", "--no-verify", "-m", subject)


def main(folder: Path, percent: float) -> int:
    """Plants, measures, asks, and says whether the answer is right: 0, or 1."""
    if not folder.exists():
        run(PROJECT, "git", "clone", "--quiet", str(PROJECT), str(folder))
        commit(folder, percent)
    run(folder, sys.executable, "-m", "asv", "machine", "--yes", quiet=True)
    run(
        folder,
        sys.executable,
        "-m",
        "asv",
        "run",
        f"HEAD~{COMMITS}..HEAD",
        "--skip-existing-successful",
        *QUICK,
        "-b",
        CELL,
    )
    run(folder, sys.executable, "-m", "bench", "regressions", "--confirm")
    found = json.loads((folder / "results" / "tables" / "regressions.json").read_text("utf-8"))
    log = run(folder, "git", "log", "--format=%H %s", f"-{COMMITS}", quiet=True)
    planted = {line[:40]: line[41:] for line in log.splitlines() if re.search("planted", line)}
    named = {change["commit"]: change for change in found["changes"] if change["commit"]}
    for sha in {**planted, **named}:
        said = f"x{named[sha]['named_ratio']:.3f}, {named[sha]['named_verdict']}" if sha in named else "NOT NAMED"
        print(f"{sha[:8]} {planted.get(sha, 'NOT PLANTED')}: {said}")
    others = [change for change in found["changes"] if not change["commit"]]
    print(f"{len(others)} further steps in asv's figures, of which paired runs confirmed none")
    return int(planted.keys() != named.keys())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute(), float(sys.argv[2]) if len(sys.argv) > 2 else 10.0))
