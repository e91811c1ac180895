"""Prints the figures that `src/learner/gradient_boosting/tests.rs` compares with: scikit-learn on the same rows.

    pip install scikit-learn==1.9.1 pandas
    OMP_NUM_THREADS=1 python gradient_boosting.py DATA

DATA is the folder of `cargo xtask data`. A model is fitted to two of three rows of a file and asked about the third.
"""

import pathlib
import sys
import time

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, mean_squared_error

DATA = pathlib.Path(sys.argv[1])


def report(name, model, x, y):
    asked = np.arange(len(y)) % 3 == 2
    began = time.process_time()
    model.fit(x[~asked], y[~asked])
    seconds = time.process_time() - began
    x, y = x[asked], y[asked]
    if hasattr(model, "predict_proba"):
        loss = log_loss(y, model.predict_proba(x), labels=model.classes_)
        figures = f"accuracy {accuracy_score(y, model.predict(x)):.4f}, log loss {loss:.4f}"
    else:
        p = model.predict(x)
        figures = f"absolute error {mean_absolute_error(y, p):.4f}, root of squared {mean_squared_error(y, p) ** 0.5:.4f}"
    print(f"{name}: {figures}; fitted {(~asked).sum()} rows in {seconds:.2f} s of processor time")


elec = pd.read_csv(DATA / "elec" / "elec.csv")
x = elec.drop(columns=["target"]).to_numpy(float)
y = elec["target"].to_numpy()
report("elec", HistGradientBoostingClassifier(early_stopping=False), x, y)

# Every fifth value is missing.
holes = x.copy()
rows, columns = np.indices(x.shape)
holes[(rows * 7 + columns * 3) % 5 == 0] = np.nan
report("elec with holes", HistGradientBoostingClassifier(early_stopping=False), holes, y)

# Which sixth of the day a row is of, by everything else.
part = np.minimum((x[:, 0] * 6).astype(int), 5)
report("elec, time of day", HistGradientBoostingClassifier(early_stopping=False), x[:, 1:], part)

# The demand, by the time and the prices.
report("elec, demand", HistGradientBoostingRegressor(early_stopping=False), x[:, [0, 1, 3, 4, 5]], x[:, 2])

# Chicks and diets are categories.
chicks = pd.read_csv(DATA / "river" / "chick-weights.csv")
x = chicks[["time", "chick", "diet"]].to_numpy(float) - [0, 1, 1]
model = HistGradientBoostingRegressor(early_stopping=False, categorical_features=[1, 2])
report("chick weights", model, x, chicks["weight"].to_numpy(float))
