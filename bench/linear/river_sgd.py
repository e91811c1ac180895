"""River: LogisticRegression, one row at a time, from the text of the file.

With --score each row is predicted before it is learned, and accuracy, F1, log loss and ROC AUC are kept up to
date, as River's own progressive validation does.
"""

import argparse
import csv

from river import linear_model, metrics, optim

import figures


def rows(path):
    """Each row as River likes it, a dictionary from feature to number: a text becomes the feature `column=text`."""
    with open(path, newline="") as file:
        reader = csv.reader(file)
        names = next(reader)[:-1]
        first = next(reader)
        numeric = [is_number(cell) for cell in first[:-1]]
        columns = list(zip(names, numeric))
        dense = all(numeric)
        for row in chain_first(first, reader):
            if dense:
                yield dict(zip(names, map(float, row))), row[-1] == "1"
            else:
                features = {}
                for (name, is_numeric), cell in zip(columns, row):
                    if is_numeric:
                        features[name] = float(cell)
                    else:
                        features[f"{name}={cell}"] = 1.0
                yield features, row[-1] == "1"


def chain_first(first, others):
    yield first
    yield from others


def is_number(cell):
    try:
        float(cell)
        return True
    except ValueError:
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv")
    parser.add_argument("--score", action="store_true", help="predict each row first, and keep four metrics")
    arguments = parser.parse_args()
    model = linear_model.LogisticRegression(optimizer=optim.SGD(0.1), intercept_lr=0.1, l2=0.0)
    count, label, probability = 0, [], []
    with figures.Measured() as measured:
        if arguments.score:
            kept = metrics.Accuracy(), metrics.F1()
            kept_of_probability = metrics.LogLoss(), metrics.ROCAUC()
            for x, y in rows(arguments.csv):
                p = model.predict_proba_one(x)[True]
                for metric in kept:
                    metric.update(y, p >= 0.5)
                for metric in kept_of_probability:
                    metric.update(y, {True: p, False: 1 - p})
                model.learn_one(x, y)
                label.append(y)
                probability.append(p)
            count = len(label)
        else:
            for x, y in rows(arguments.csv):
                model.learn_one(x, y)
                count += 1
    figures.report(count, measured, figures.quality(label, probability) if arguments.score else {})


if __name__ == "__main__":
    main()
