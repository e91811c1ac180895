"""Writes the reference values that `src/metric/golden.rs` checks, next to this script.

    python metrics.py        # scikit-learn 1.7, numpy 2

metrics_rows.csv    case, kind of the classes, label, predicted, score; an empty field is NULL
metrics_values.csv  case, measure, parameters (separated by a space), value; an empty value is undefined

scikit-learn computes the values from the rows without NULL. Where it has no such measure (specificity, symmetric MAPE, the
harmonic mean of macro averages, areas from bins, the calibration error) the definition is written out here. Where it warns and returns NaN, or 0 for
average precision without a positive, the value is undefined.
"""

import csv
import math
import pathlib
import warnings

import numpy as np
from sklearn import metrics as sk

HERE = pathlib.Path(__file__).parent
AVERAGES = ["binary", "macro", "micro", "weighted"]
random = np.random.default_rng(20240607)
warnings.filterwarnings("ignore")


def flags(rows, rate=0.4, noise=0.7, ties=None):
    label = random.random(rows) < rate
    score = np.clip(0.5 + 0.2 * (label - 0.5) + noise * 0.3 * random.standard_normal(rows), 0.0, 1.0)
    if ties:
        score = np.round(score * ties) / ties
    return [(str(y).lower(), str(bool(p >= 0.5)).lower(), repr(float(p))) for y, p in zip(label, score)]


def classes(names, rows, right=0.6):
    label = random.choice(len(names), rows)
    predicted = np.where(random.random(rows) < right, label, random.choice(len(names), rows))
    return [(names[y], names[p], "") for y, p in zip(label, predicted)]


def numbers(rows, centre=0.0, noise=0.5, zeros=False):
    label = centre + random.standard_normal(rows)
    predicted = label + noise * random.standard_normal(rows)
    if zeros:
        label[::5] = 0.0
        predicted[::10] = 0.0
    return [(repr(float(y)), repr(float(p)), "") for y, p in zip(label, predicted)]


def with_nulls(rows):
    rows = [list(row) for row in rows]
    for row in rows:
        for place in range(3):
            if random.random() < 0.15:
                row[place] = ""
    return rows


CASES = {
    "two classes": ("flag", flags(120)),
    "two classes, ties": ("flag", flags(97, ties=6)),
    "two classes, rare": ("flag", flags(150, rate=0.03)),
    "two classes, 300 rows with nulls": ("flag", with_nulls(flags(300))),
    "only true": ("flag", [("true", p, s) for _, p, s in flags(20)]),
    "only false": ("flag", [("false", p, s) for _, p, s in flags(20)]),
    "never predicted": ("flag", [(y, "false", repr(float(s) / 4)) for y, _, s in flags(40)]),
    "sure and right": ("flag", [("true", "true", "1.0"), ("false", "false", "0.0"), ("true", "true", "1.0")]),
    "sure and wrong": ("flag", [("true", "false", "0.0"), ("false", "true", "1.0")]),
    "one score": ("flag", [(y, "true", "0.7") for y, _, _ in flags(30)]),
    "one row": ("flag", [("true", "true", "0.8")]),
    "no rows": ("flag", []),
    "all null": ("flag", [("", "true", "0.5"), ("true", "", "0.5"), ("false", "true", ""), ("", "", "")]),
    "zero and one": ("integer", [(str(int(y == "true")), str(int(p == "true")), s) for y, p, s in flags(80)]),
    "integers": ("integer", classes(["-3", "0", "7", "12"], 150)),
    "integers, one never a label": ("integer", [(y if y != "2" else "1", p, s) for y, p, s in classes(["1", "2", "3"], 60)]),
    "integers, one class": ("integer", [("4", "4", "")] * 5),
    "texts": ("text", classes(["ale", "bock", "a class with a name longer than twelve bytes", "stout", "pils"], 200)),
    "texts, many": ("text", classes([f"class {i}" for i in range(40)], 300, right=0.8)),
    "texts with nulls": ("text", with_nulls(classes(["a", "b", "c"], 90))),
    "numbers": ("number", numbers(200)),
    "numbers, far": ("number", numbers(200, centre=1e6, noise=0.1)),
    "numbers, bad": ("number", numbers(50, noise=5.0)),
    "numbers, zeros": ("number", numbers(50, zeros=True)),
    "numbers, exact": ("number", [(y, y, "") for y, _, _ in numbers(10)]),
    "numbers, equal labels": ("number", [("2.5", p, "") for _, p, _ in numbers(10)]),
    "numbers, equal and exact": ("number", [("2.5", "2.5", "")] * 4),
    "numbers with nulls": ("number", with_nulls(numbers(100))),
    "one number": ("number", [("1.5", "1.0", "")]),
    "no numbers": ("number", []),
    "numbers, all null": ("number", [("", "1.0", ""), ("2.0", "", "")]),
}


def defined(value):
    return None if value is None or math.isnan(value) else float(value)


def whole(rows, places):
    return [[row[place] for place in places] for row in rows if all(row[place] != "" for place in places)]


def specificity(y, p, average, labels):
    fractions = []
    sums = [0, 0]
    for label in labels:
        others = sum(a != label for a in y)
        right = sum(a != label and b != label for a, b in zip(y, p))
        fractions.append(right / others if others else 0.0)
        sums = [sums[0] + right, sums[1] + others]
    if average == "micro":
        return sums[0] / sums[1] if sums[1] else 0.0
    weights = [sum(a == label for a in y) for label in labels] if average == "weighted" else None
    return float(np.average(fractions, weights=weights))


def classification(kind, rows):
    pairs = whole(rows, [0, 1])
    binary = kind == "flag" or {value for pair in pairs for value in pair} <= {"0", "1"}
    positive = "true" if kind == "flag" else "1"
    averages = AVERAGES if binary and kind != "text" else AVERAGES[1:]
    default = "binary" if kind == "flag" else "macro"
    simple = ["ML_ACCURACY", "ML_BALANCED_ACCURACY", "ML_KAPPA", "ML_MCC"]
    simple += ["ML_ADJUSTED_RAND", "ML_HOMOGENEITY", "ML_COMPLETENESS", "ML_V_MEASURE"]
    averaged = ["ML_PRECISION", "ML_RECALL", "ML_F1", "ML_SPECIFICITY"]
    if not pairs:
        for name in simple + averaged:
            yield name, "", None
        yield "ML_FBETA", "2", None
        return
    y, p = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    labels = sorted(set(y) | set(p))
    yield "ML_ACCURACY", "", sk.accuracy_score(y, p)
    yield "ML_BALANCED_ACCURACY", "", sk.balanced_accuracy_score(y, p)
    yield "ML_KAPPA", "", sk.cohen_kappa_score(y, p)
    yield "ML_MCC", "", sk.matthews_corrcoef(y, p)
    yield "ML_ADJUSTED_RAND", "", sk.adjusted_rand_score(y, p)
    yield "ML_HOMOGENEITY", "", sk.homogeneity_score(y, p)
    yield "ML_COMPLETENESS", "", sk.completeness_score(y, p)
    yield "ML_V_MEASURE", "", sk.v_measure_score(y, p)
    for average in averages:
        if average == "binary":
            chosen = {"labels": [positive], "average": "macro", "zero_division": 0}
        else:
            chosen = {"average": average, "zero_division": 0}
        values = {
            ("ML_PRECISION", ""): sk.precision_score(y, p, **chosen),
            ("ML_RECALL", ""): sk.recall_score(y, p, **chosen),
            ("ML_F1", ""): sk.f1_score(y, p, **chosen),
            ("ML_SPECIFICITY", ""): specificity(y, p, average, [positive] if average == "binary" else labels),
            ("ML_FBETA", "2"): sk.fbeta_score(y, p, beta=2, **chosen),
            ("ML_FBETA", "0.5"): sk.fbeta_score(y, p, beta=0.5, **chosen),
        }
        for (name, first), value in values.items():
            yield name, f"{first} {average}".strip(), value
            if average == default:
                yield name, first, value
    if len(labels) > 10:
        return
    matrix = sk.confusion_matrix(y, p, labels=labels)
    for row, label in enumerate(labels):
        for column, predicted in enumerate(labels):
            yield "CONFUSION", f"{label}|{predicted}", int(matrix[row, column])


def evaluation(kind, rows, probability):
    pairs = whole(rows, [0, 1, 2] if probability else [0, 1])
    prefix = "EVALUATE_P" if probability else "EVALUATE"
    keys = ["Accuracy", "Precision", "Recall", "F1", "Kappa", "Mcc"]
    if probability:
        keys += ["LogLoss", "RocAuc", "PrAuc", "BrierScore", "PositiveRate"]
    values = dict.fromkeys(keys)
    if pairs:
        y, p = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        precision = sk.precision_score(y, p, average="macro", zero_division=0)
        recall = sk.recall_score(y, p, average="macro", zero_division=0)
        values |= {
            "Accuracy": sk.accuracy_score(y, p),
            "Precision": precision,
            "Recall": recall,
            "F1": 2 * precision * recall / (precision + recall) if precision + recall else 0.0,
            "Kappa": sk.cohen_kappa_score(y, p),
            "Mcc": sk.matthews_corrcoef(y, p),
        }
    if pairs and probability:
        rename = {"ML_LOG_LOSS": "LogLoss", "ML_ROC_AUC": "RocAuc", "ML_PR_AUC": "PrAuc", "ML_BRIER_SCORE": "BrierScore"}
        values |= {rename[name]: value for name, _, value in scores(kind, pairs) if name in rename}
        values["PositiveRate"] = np.mean([pair[0] in ("true", "1") for pair in pairs])
    for key, value in values.items():
        yield prefix, key, value
    yield prefix, "Rows", len(pairs)


def scores(kind, rows):
    pairs = whole(rows, [0, 2])
    y = np.array([pair[0] in ("true", "1") for pair in pairs], dtype=int)
    s = np.array([float(pair[1]) for pair in pairs])
    both = len(set(y)) == 2
    clipped = np.clip(s, 1e-15, 1 - 1e-15)
    terms = np.where(y == 1, -np.log(clipped), -np.log1p(-clipped))
    if len(y):
        # The definition and scikit-learn agree wherever its own clipping does not act.
        inside = (s > 1e-14) & (s < 1 - 1e-14)
        if inside.any():
            theirs = sk.log_loss(y[inside], s[inside], labels=[0, 1])
            assert abs(terms[inside].mean() - theirs) < 1e-12
    yield "ML_LOG_LOSS", "", math.fsum(terms) / len(y) if len(y) else None
    yield "ML_BRIER_SCORE", "", sk.brier_score_loss(y, s, pos_label=1) if len(y) else None
    yield "ML_ROC_AUC", "", sk.roc_auc_score(y, s) if both else None
    yield "ML_PR_AUC", "", sk.average_precision_score(y, s) if y.any() else None
    for bins in (4, 50):
        binned = np.minimum(np.floor(s * bins), bins - 1)
        yield "ML_APPROX_ROC_AUC", str(bins), sk.roc_auc_score(y, binned) if both else None
    for bins in (10, 7):
        binned = np.minimum(np.floor(s * bins), bins - 1)
        off = [abs(math.fsum(y[binned == b]) - math.fsum(s[binned == b])) for b in range(bins)]
        yield "ML_CALIBRATION_ERROR", str(bins), math.fsum(off) / len(y) if len(y) else None
    if both:
        rate, recall, threshold = sk.roc_curve(y, s, drop_intermediate=False)
        for place in range(1, min(len(rate), 30)):
            yield "ROC_THRESHOLD", str(place - 1), threshold[place]
            yield "ROC_RECALL", str(place - 1), recall[place]
            yield "ROC_FALSE_POSITIVE_RATE", str(place - 1), rate[place]


def regression(rows):
    pairs = whole(rows, [0, 1])
    y, p = np.array([[float(value) for value in pair] for pair in pairs]).reshape(-1, 2).T
    if not len(y):
        values = dict.fromkeys(["ML_MAE", "ML_MSE", "ML_RMSE", "ML_MAPE", "ML_SMAPE", "ML_R2", "ML_EXPLAINED_VARIANCE"])
    else:
        total = np.abs(y) + np.abs(p)
        values = {
            "ML_MAE": sk.mean_absolute_error(y, p),
            "ML_MSE": sk.mean_squared_error(y, p),
            "ML_RMSE": sk.root_mean_squared_error(y, p),
            "ML_MAPE": sk.mean_absolute_percentage_error(y, p),
            "ML_SMAPE": np.mean(np.where(total > 0, 2 * np.abs(y - p) / np.where(total > 0, total, 1), 0)),
            "ML_R2": sk.r2_score(y, p) if len(y) > 1 else None,
            "ML_EXPLAINED_VARIANCE": sk.explained_variance_score(y, p) if len(y) > 1 else None,
        }
    for name, value in values.items():
        yield name, "", value
    for key in ("MAE", "MSE", "RMSE", "MAPE", "R2"):
        yield "EVALUATE", key, values[f"ML_{key}"]
    yield "EVALUATE", "Rows", len(y)


def main():
    with open(HERE / "metrics_rows.csv", "w", newline="") as rows_file, open(HERE / "metrics_values.csv", "w", newline="") as values_file:
        rows_csv = csv.writer(rows_file, delimiter=";", lineterminator="\n")
        values_csv = csv.writer(values_file, delimiter=";", lineterminator="\n")
        rows_csv.writerow(["case", "kind", "label", "predicted", "score"])
        values_csv.writerow(["case", "kind", "measure", "parameters", "value"])
        for case, (kind, rows) in CASES.items():
            rows_csv.writerows([case, kind, *row] for row in rows)
            if kind == "number":
                values = list(regression(rows))
            else:
                values = [*classification(kind, rows), *evaluation(kind, rows, False)]
                if kind == "flag" or any(row[2] for row in rows):
                    values += [*scores(kind, rows), *evaluation(kind, rows, True)]
            for name, parameters, value in values:
                value = defined(value)
                values_csv.writerow([case, kind, name, parameters, "" if value is None else repr(value)])


main()
