"""Change points of series by apache-otava: a program for the environment that has it; here nothing imports otava.

python -I otava_script.py ANSWER < ASKED, both JSON. Asked: `window`, `max_pvalue`, `series` (lists of numbers).
The answer: for each series the list of its change points, each with `index` (the first value after the change),
`p`, `before` and `after` (means of the stretches beside it).
"""

import json
import sys
from pathlib import Path


def main() -> None:
    """Reads what is asked, writes the answer."""
    from otava.analysis import compute_change_points

    asked = json.load(sys.stdin)
    answer = []
    for values in asked["series"]:  # lists, not arrays: of an array otava would search the whole in every window
        found, _ = compute_change_points(values, window_len=asked["window"], max_pvalue=asked["max_pvalue"])
        answer.append(
            [
                {
                    "index": int(one.index),
                    "p": float(one.stats.pvalue),
                    "before": float(one.stats.mean_before()),
                    "after": float(one.stats.mean_after()),
                }
                for one in found
            ]
        )
    Path(sys.argv[1]).write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
