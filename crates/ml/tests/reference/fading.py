"""Writes the reference values that `src/metric/fading/tests.rs` checks, next to this script.

    python fading.py        # Python 3, nothing else

fading_values.csv  case (its rows are in metrics_rows.csv), kind, measure, parameters (the factor first), value; an empty value is
                   undefined

Every value is computed from all rows at once, each with its weight factor^(rows after it): sums written out, nothing updated.
"""

import csv
import math
import pathlib

HERE = pathlib.Path(__file__).parent
FACTORS = [0.8, 0.99, 0.9999]
AVERAGES = ["binary", "macro", "micro", "weighted"]


def ratio(a, b):
    return a / b if b else 0.0


def class_measures(pairs, weights, kind):
    names = sorted({name for pair in pairs for name in pair})
    total = math.fsum(weights)

    def weigh(of):
        return math.fsum(w for w, pair in zip(weights, pairs) if of(pair))

    actual = {c: weigh(lambda p: p[0] == c) for c in names}
    predicted = {c: weigh(lambda p: p[1] == c) for c in names}
    correct = {c: weigh(lambda p: p[0] == c == p[1]) for c in names}
    right = weigh(lambda p: p[0] == p[1])
    yield "ACCURACY", "", right / total
    labels = {p[0] for p in pairs}
    yield "BALANCED_ACCURACY", "", math.fsum(correct[c] / actual[c] for c in labels) / len(labels)
    chance = math.fsum(actual[c] / total * predicted[c] / total for c in names)
    yield "KAPPA", "", (right / total - chance) / (1 - chance) if len(names) > 1 else None
    spread_t = 1 - math.fsum((actual[c] / total) ** 2 for c in names)
    spread_p = 1 - math.fsum((predicted[c] / total) ** 2 for c in names)
    several = len(labels) > 1 and len({p[1] for p in pairs}) > 1
    yield "MCC", "", (right / total - chance) / math.sqrt(spread_t * spread_p) if several else 0.0

    def parts(measure, c):
        tp, fp, fn = correct.get(c, 0), predicted.get(c, 0) - correct.get(c, 0), actual.get(c, 0) - correct.get(c, 0)
        tn = weigh(lambda p: c not in p)
        if measure == "PRECISION":
            return tp, tp + fp
        if measure == "RECALL":
            return tp, tp + fn
        if measure == "SPECIFICITY":
            return tn, tn + fp
        square = 1.0 if measure == "F1" else 4.0
        return (1 + square) * tp, (1 + square) * tp + square * fn + fp

    for measure in ["PRECISION", "RECALL", "SPECIFICITY", "F1", "FBETA"]:
        first = "2" if measure == "FBETA" else ""
        for average in AVERAGES:
            if average == "binary":
                if kind != "flag":
                    continue
                value = ratio(*parts(measure, "true"))
            elif average == "macro":
                value = math.fsum(ratio(*parts(measure, c)) for c in names) / len(names)
            elif average == "weighted":
                value = math.fsum(ratio(*parts(measure, c)) * actual[c] for c in names) / total
            else:
                value = ratio(*(math.fsum(x) for x in zip(*(parts(measure, c) for c in names))))
            yield measure, f"{first} {average}".strip(), value


def mean(terms, weights):
    return math.fsum(t * w for t, w in zip(terms, weights)) / math.fsum(weights)


def probability_measures(pairs, weights):
    losses = []
    for y, p in pairs:
        p = min(max(p, 1e-15), 1 - 1e-15)
        losses.append(-math.log(p) if y else -math.log1p(-p))
    yield "LOG_LOSS", "", mean(losses, weights)
    yield "BRIER_SCORE", "", mean([(p - y) ** 2 for y, p in pairs], weights)


def number_measures(pairs, weights):
    errors = [y - p for y, p in pairs]
    yield "MAE", "", mean([abs(e) for e in errors], weights)
    yield "MSE", "", mean([e * e for e in errors], weights)
    yield "RMSE", "", math.sqrt(mean([e * e for e in errors], weights))
    yield "MAPE", "", mean([abs(y - p) / max(abs(y), 2.0**-52) for y, p in pairs], weights)
    yield "SMAPE", "", mean([ratio(2 * abs(y - p), abs(y) + abs(p)) for y, p in pairs], weights)
    if len(pairs) < 2:
        yield "R2", "", None
        yield "EXPLAINED_VARIANCE", "", None
        return

    def squares(values):
        middle = mean(values, weights)
        return 0.0 if len(set(values)) == 1 else math.fsum(w * (v - middle) ** 2 for v, w in zip(values, weights))

    def one_minus(unexplained):
        spread = squares([y for y, _ in pairs])
        return 1.0 if unexplained == 0 else 0.0 if spread == 0 else 1 - unexplained / spread

    yield "R2", "", one_minus(math.fsum(w * e * e for e, w in zip(errors, weights)))
    yield "EXPLAINED_VARIANCE", "", one_minus(squares(errors))


def main():
    with open(HERE / "metrics_rows.csv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    with open(HERE / "fading_values.csv", "w", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\n")
        writer.writerow(["case", "kind", "measure", "parameters", "value"])
        for case, kind in dict.fromkeys((row["case"], row["kind"]) for row in rows):
            mine = [row for row in rows if row["case"] == case]
            for factor in FACTORS:
                for wanted, measures in [("predicted", None), ("score", probability_measures)]:
                    pairs = [(r["label"], r[wanted]) for r in mine if r["label"] and r[wanted]]
                    if not pairs:
                        continue
                    weights = [factor ** (len(pairs) - 1 - i) for i in range(len(pairs))]
                    if measures:
                        if kind not in ("flag", "integer") or not {y for y, _ in pairs} <= {"true", "false", "0", "1"}:
                            continue
                        if not all(0 <= float(p) <= 1 for _, p in pairs):
                            continue
                        found = measures([(float(y in ("true", "1")), float(p)) for y, p in pairs], weights)
                    elif kind == "number":
                        found = number_measures([(float(y), float(p)) for y, p in pairs], weights)
                    else:
                        found = class_measures(pairs, weights, kind)
                    for name, parameters, value in found:
                        shown = "" if value is None else repr(value)
                        writer.writerow([case, kind, f"ML_FADING_{name}", f"{factor} {parameters}".strip(), shown])


main()
