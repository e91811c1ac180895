"""What scikit-learn makes of the features of examples/purchase-intent/job.sql: the numbers in reference.json.

    tidegate run examples/purchase-intent/job.sql
    python reference.py ../../../examples/purchase-intent/output/features.parquet     # writes reference.json beside itself

It learns one row at a time with SGDClassifier, in the order of events, under the rules that ML_TRAIN keeps:

- A row is predicted with the weights and the statistics of the rows learned before it.
- It is learned when its label is known: as soon as the latest event time, less a second, reaches its label_time; rows that
  wait are learned in the order of (label_time, arrival). Or at once, where a case says so. Rows without a label never are.
- To learn a row is to take it into the statistics (means, deviations), then to transform it with them, then to take one
  gradient step.

`check.sql` does the same with Tidegate, and a test holds the two against each other. Needs what requirements.txt lists.
"""

import heapq
import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

# The model of job.sql. The first number column may be missing: its mean stands in.
LOGARITHMS = ["days_since_last", "purchases_so_far", "purchases_28_days", "baskets_so_far", "spend_so_far", "price"]
TEXTS = ["department", "brand", "hour_of_day", "weekday", "product_category"]
SGD = dict(loss="log_loss", penalty=None, learning_rate="invscaling", eta0=0.1, power_t=0.5)

# name, one household in so many, at most so many rows, whether a row waits until its label is known
CASES = [
    ("prefix, learned at once", 1, 50_000, False),
    ("prefix, learned when known", 1, 50_000, True),
    # A prefix ends in January, when no household can yet have failed to come back within 28 days. This is a whole year.
    ("one household in 30, learned when known", 30, 50_000, True),
]


class Features:
    """The transforms: mean in place of a missing value, then the standard scaler. A category is a column of its own."""

    def __init__(self, rows):
        numbers = [np.log(1.0 + rows[name].to_numpy(float)) for name in LOGARITHMS] + [rows["discount_share"].to_numpy(float)]
        self.numbers = np.ascontiguousarray(np.column_stack(numbers))
        self.first = (rows["purchases_so_far"] == 0).to_numpy(float)
        codes, width = [], 0
        for name in TEXTS:
            code, categories = pd.factorize(rows[name])
            codes.append(code + width)
            width += len(categories)
        self.codes = np.column_stack(codes) + self.numbers.shape[1] + 1
        self.width = self.numbers.shape[1] + 1 + width
        scaled = self.numbers.shape[1]
        self.count, self.mean, self.squares = 0, np.zeros(scaled), np.zeros(scaled)
        self.present, self.present_mean = 0, 0.0

    def raw(self, row):
        x = self.numbers[row].copy()
        if math.isnan(x[0]):
            x[0] = self.present_mean
        return x

    def update(self, row):
        """Takes a row into the statistics (Welford 1962)."""
        days = self.numbers[row, 0]
        if not math.isnan(days):
            self.present += 1
            self.present_mean += (days - self.present_mean) / self.present
        x = self.raw(row)
        self.count += 1
        from_old = x - self.mean
        self.mean += from_old / self.count
        self.squares += from_old * (x - self.mean)

    def apply(self, row, out):
        """Writes the features of a row, as the statistics stand. A column without spread is 0."""
        out.fill(0.0)
        deviation = np.sqrt(self.squares / max(self.count, 1))
        spread = deviation > 0
        centred = self.raw(row) - self.mean
        scaled = len(centred)
        out[:scaled][spread] = centred[spread] / deviation[spread]
        out[scaled] = self.first[row]
        out[self.codes[row]] = 1.0


def run(rows, late):
    """The probability that each row had before it was learned, and how many rows were learned."""
    features = Features(rows)
    event = rows["purchased_at"].to_numpy("datetime64[ms]").astype("int64")
    known = rows["label_time"].to_numpy("datetime64[ms]").astype("int64")
    labelled = rows["rebought"].notna().to_numpy()
    label = rows["rebought"].fillna(False).to_numpy(bool)
    classifier, classes = SGDClassifier(**SGD), np.array([False, True])
    probability, waiting, learned = np.empty(len(rows)), [], 0
    x = np.zeros((1, features.width))

    def learn(row):
        features.update(row)
        features.apply(row, x[0])
        classifier.partial_fit(x, label[row : row + 1], classes=classes)

    latest = -(2**62)
    for row in range(len(rows)):
        latest = max(latest, event[row])
        while waiting and waiting[0][0] <= latest - 1000:
            learn(heapq.heappop(waiting)[1])
            learned += 1
        features.apply(row, x[0])
        # A category that was never learned has weight 0 here, and no feature there.
        score = x[0] @ classifier.coef_[0] + classifier.intercept_[0] if learned else 0.0
        probability[row] = 1.0 / (1.0 + math.exp(-score))
        if labelled[row] and late:
            heapq.heappush(waiting, (known[row], row))
        elif labelled[row]:
            learn(row)
            learned += 1
    return probability, learned


def measure(all_rows, name, one_in, limit, late):
    rows = all_rows[all_rows["household_id"] % one_in == 0]
    rows = rows.sort_values(["purchased_at", "basket_id", "product_id"]).head(limit).reset_index(drop=True)
    started = time.time()
    probability, learned = run(rows, late)
    print(f"{name}: {len(rows)} rows in {time.time() - started:.0f} s", file=sys.stderr)
    counts = rows["rebought"].notna().to_numpy()
    label, scores = rows["rebought"][counts].to_numpy(bool), probability[counts]
    return {
        "name": name,
        "one_in": one_in,
        "rows_max": limit,
        "late": late,
        # What went in: if these differ, it is the features that differ.
        "rows": len(rows),
        "labelled": int(counts.sum()),
        "positives": int(label.sum()),
        "mean_spend_so_far": round(float(rows["spend_so_far"].mean()), 9),
        "mean_discount_share": round(float(rows["discount_share"].mean()), 12),
        # What came out.
        "rows_learned": learned,
        "log_loss": round(log_loss(label, np.clip(scores, 1e-15, 1 - 1e-15)), 9),
        "accuracy": round(accuracy_score(label, scores >= 0.5), 9),
        "roc_auc": round(roc_auc_score(label, scores), 9),
        "mean_probability": round(float(probability.mean()), 9),
    }


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    columns = ["purchased_at", "household_id", "basket_id", "product_id", "discount_share", "rebought", "label_time"]
    rows = pd.read_parquet(sys.argv[1], columns=columns + LOGARITHMS + TEXTS)
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        cases = [measure(rows, *case) for case in CASES]
    reference = {
        "made_by": "tests/reference/purchase_intent/reference.py",
        "from": f"output/features.parquet of examples/purchase-intent/job.sql on the Complete Journey data, {len(rows)} rows",
        "with": f"scikit-learn {sklearn.__version__}, SGDClassifier({', '.join(f'{k}={v!r}' for k, v in SGD.items())}), "
        "partial_fit one row at a time",
        "cases": cases,
    }
    Path(__file__).with_name("reference.json").write_text(json.dumps(reference, indent=2) + "\n")


if __name__ == "__main__":
    main()
