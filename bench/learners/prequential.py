"""What the drivers of the learners' peers have in common: their arguments, and how long they go on.

A driver predicts each row, then learns it, and counts what was right, or sums how far it was from the target.
"""

import argparse
import csv
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "linear"))
import figures  # noqa: E402


def arguments(description, learners):
    """The command line, which is the same for every peer: the file, the learner, and what is known of the label."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("file", help="header and numbers; the last column is the label")
    parser.add_argument("learner", choices=sorted(learners))
    parser.add_argument("--classes", help="the label's classes, separated by commas; without them it is a number")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so much processor time")
    given = parser.parse_args()
    given.classes = given.classes.split(",") if given.classes else None
    return given


def rows(path):
    """Each row's features, by name, and its label as a text."""
    with open(path, newline="") as file:
        reader = csv.reader(file)
        names = next(reader)[:-1]
        for row in reader:
            yield dict(zip(names, map(float, row))), row[-1]


def run(steps, given):
    """Goes through `steps`, each a number of rows and how many were right, or the sum of their absolute errors."""
    count, total = 0, 0.0
    with figures.Measured() as measured:
        end = time.process_time() + given.seconds
        for step_rows, step_total in steps:
            count += step_rows
            total += step_total
            if time.process_time() > end:
                break
    figures.report(count, measured, {"accuracy" if given.classes else "mae": total / count})
