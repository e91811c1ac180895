"""Writes permutation_rows.csv and permutation_values.csv: rows, and what scikit-learn's permutation_importance finds of a linear model
whose weights are 3, −2, 0.5 and 0, for `tests/ml/importance.rs`.

    pip install scikit-learn==1.9.1
    python permutation_importance.py
"""

import csv
import pathlib

import numpy as np
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error

HERE = pathlib.Path(__file__).parent
REPEATS = 300
random = np.random.default_rng(11)
x = random.normal(size=(400, 4)) * [1.0, 0.5, 2.0, 1.0]
exact = x @ [3.0, -2.0, 0.5, 0.0] + 1.0
y = exact + random.normal(size=400)

# Fitted without noise, so that any solver finds the weights; measured with it.
model = LinearRegression().fit(x, exact)
found = permutation_importance(model, x, y, scoring="neg_mean_squared_error", n_repeats=REPEATS, random_state=0)
baseline = mean_squared_error(y, model.predict(x))

with open(HERE / "permutation_rows.csv", "w", newline="") as file:
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(["x0", "x1", "x2", "x3", "exact", "y"])
    rows.writerows([[repr(float(value)) for value in row] for row in np.column_stack([x, exact, y])])
with open(HERE / "permutation_values.csv", "w", newline="") as file:
    values = csv.writer(file, lineterminator="\n")
    values.writerow(["feature", "importance", "stddev", "baseline"])
    for feature in range(4):
        values.writerow([
            feature,
            repr(float(found.importances_mean[feature])),
            repr(float(found.importances_std[feature])),
            repr(float(baseline)),
        ])
