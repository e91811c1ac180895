"""scikit-learn: SGDClassifier with partial_fit, some rows at a time.

Row by row it computes what the others compute, at a cost of some hundred microseconds a call. In batches it
is fast, but a row is then predicted by a model that has not learned the rows of its own batch yet. Texts go
through FeatureHasher, which needs no pass over the data beforehand; on such sparse rows SGDClassifier moves
the intercept at a hundredth of the rate, so its figures differ from the others' there.
"""

import argparse
import itertools

import numpy
from sklearn import metrics
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import SGDClassifier

import figures


def batches(path, size, rows):
    """Features and labels of so many rows at a time."""
    with open(path) as file:
        names = file.readline().rstrip().split(",")[:-1]
        start = file.tell()
        is_numeric = [is_number(cell) for cell in file.readline().split(",")]
        file.seek(start)
        lines = itertools.islice(file, rows)
        hasher = FeatureHasher(2**14)
        while batch := list(itertools.islice(lines, size)):
            if all(is_numeric):
                values = numpy.loadtxt(batch, delimiter=",", ndmin=2)
                yield values[:, :-1], values[:, -1] == 1
            else:
                cells = [line.rstrip().split(",") for line in batch]
                x = hasher.transform(features(names, is_numeric, row) for row in cells)
                yield x, numpy.array([row[-1] == "1" for row in cells])


def is_number(cell):
    try:
        float(cell)
        return True
    except ValueError:
        return False


def features(names, is_numeric, row):
    """A number under its column's name, a text as a feature of its own that is 1."""
    columns = zip(names, is_numeric, row)
    return {name if numeric else f"{name}={cell}": float(cell) if numeric else 1.0 for name, numeric, cell in columns}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv")
    parser.add_argument("--batch", type=int, default=1000, help="rows a call")
    parser.add_argument("--rows", type=int, help="only the first rows of the file")
    parser.add_argument("--score", action="store_true", help="predict each batch first; four metrics at the end")
    arguments = parser.parse_args()
    model = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.1, penalty=None, shuffle=False)
    classes = numpy.array([False, True])
    count, label, probability = 0, [], []
    with figures.Measured() as measured:
        for x, y in batches(arguments.csv, arguments.batch, arguments.rows):
            if arguments.score:
                label.append(y)
                known = hasattr(model, "coef_")
                probability.append(model.predict_proba(x)[:, 1] if known else numpy.full(len(y), 0.5))
            model.partial_fit(x, y, classes=classes)
            count += len(y)
        if arguments.score:
            label, probability = numpy.concatenate(label), numpy.concatenate(probability)
            metrics.accuracy_score(label, probability >= 0.5)
            metrics.f1_score(label, probability >= 0.5)
            metrics.log_loss(label, probability)
            metrics.roc_auc_score(label, probability)
    figures.report(count, measured, figures.quality(label, probability) if arguments.score else {})


if __name__ == "__main__":
    main()
