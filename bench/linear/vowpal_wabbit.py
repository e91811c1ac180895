"""Vowpal Wabbit: its own driver, in C++, over its own text format.

Naming the file in the arguments makes the constructor of Workspace run the driver's loop over it, the same
that the `vw` program runs: Python has no part in it. `--sgd --power_t 0` is plain stochastic gradient descent
at a constant rate.
"""

import argparse
import os
import tempfile

from vowpalwabbit import Workspace

import figures

ARGUMENTS = "--loss_function logistic --sgd --power_t 0 --learning_rate 0.1 --l2 0 --quiet --no_stdin"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv")
    parser.add_argument("--text", required=True, help="the same rows in Vowpal Wabbit's format")
    parser.add_argument("--score", action="store_true", help="write each prediction")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        predictions = os.path.join(folder, "predictions")
        options = ARGUMENTS.split() + ["--data", arguments.text]
        if arguments.score:
            options += ["--link", "logistic", "--predictions", predictions]
        with figures.Measured() as measured:
            Workspace(arg_list=options).finish()
        label = figures.labels(arguments.csv)
        quality = {}
        if arguments.score:
            with open(predictions) as file:
                quality = figures.quality(label, [float(line) for line in file])
    figures.report(len(label), measured, quality)


if __name__ == "__main__":
    main()
