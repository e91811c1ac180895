"""Optuna over River: each trial goes over the file by itself, each row predicted, then learned; pruned by the median of those before it."""

import argparse
import csv
import math
import sys
from pathlib import Path

import optuna
from river import linear_model, optim, tree

sys.path.append(str(Path(__file__).parents[1] / "linear"))
import figures  # noqa: E402

PRUNED_EVERY = 1000


def read(path):
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            label = row.pop("target")
            yield {name: float(value) for name, value in row.items()}, label


def logistic_regression(trial):
    rate = trial.suggest_float("learning_rate", 1e-4, 1, log=True)
    l2 = trial.suggest_float("l2", 1e-8, 1e-2, log=True)
    return linear_model.SoftmaxRegression(optimizer=optim.SGD(rate), l2=l2)


def hoeffding_tree(trial):
    return tree.HoeffdingTreeClassifier(
        grace_period=trial.suggest_int("grace_period", 50, 1000, log=True),
        delta=trial.suggest_float("delta", 1e-9, 0.1, log=True),
        tau=trial.suggest_float("tau", 0.01, 0.2, log=True),
    )


LEARNERS = {"logistic_regression": logistic_regression, "hoeffding_tree": hoeffding_tree}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("learner", choices=LEARNERS)
    parser.add_argument("--trials", type=int, required=True)
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows = 0

    def objective(trial):
        nonlocal rows
        model, loss = LEARNERS[given.learner](trial), 0.0
        for number, (x, y) in enumerate(read(given.file), 1):
            p = model.predict_proba_one(x).get(y, 0.0)
            loss -= math.log(min(max(p, 1e-15), 1.0)) if p == p else math.log(1e-15)
            model.learn_one(x, y)
            rows = max(rows, number)
            if number % PRUNED_EVERY == 0:
                trial.report(loss / number, number)
                if trial.should_prune():
                    raise optuna.TrialPruned()
        return loss / number

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1), pruner=optuna.pruners.MedianPruner())
    with figures.Measured() as measured:
        study.optimize(objective, n_trials=given.trials)
    figures.report(rows, measured, {"log_loss": study.best_value})


if __name__ == "__main__":
    main()
