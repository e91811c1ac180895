"""Writes transforms.csv: what scikit-learn's transforms make of a small table.

Made with Python 3.11, numpy and scikit-learn (any version from 1.2 on gives the same digits):
    python transforms.py > transforms.csv
Lines are case,row,column,value; the table itself is the cases `input` and `input_missing`.
"""

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    MaxAbsScaler, MinMaxScaler, Normalizer, PolynomialFeatures, RobustScaler, StandardScaler,
)

rng = np.random.default_rng(7)
X = np.column_stack([
    rng.normal(1000.0, 3.0, 40), rng.exponential(2.0, 40), np.round(rng.uniform(-3, 3, 40)), np.full(40, 5.0),
])
missing = X.copy()
missing[rng.uniform(size=X.shape) < 0.2] = np.nan

cases = {
    "input": X,
    "input_missing": missing,
    "standard": StandardScaler().fit_transform(X),
    "standard_no_centering": StandardScaler(with_mean=False).fit_transform(X),
    "min_max": MinMaxScaler().fit_transform(X),
    "max_abs": MaxAbsScaler().fit_transform(X),
    "robust": RobustScaler().fit_transform(X[:, :3]),
    "standard_missing": StandardScaler().fit_transform(missing),
    "impute_mean": SimpleImputer(strategy="mean").fit_transform(missing),
    "impute_median": SimpleImputer(strategy="median").fit_transform(missing),
    "impute_constant": SimpleImputer(strategy="constant", fill_value=-1.5).fit_transform(missing),
    "impute_scale": StandardScaler().fit_transform(SimpleImputer(strategy="constant", fill_value=0).fit_transform(missing)),
    "l1": Normalizer("l1").fit_transform(X),
    "l2": Normalizer("l2").fit_transform(X),
    "max": Normalizer("max").fit_transform(X),
    "polynomial_3": PolynomialFeatures(3, include_bias=False).fit_transform(X[:, 1:3]),
    "interaction_2": PolynomialFeatures(2, include_bias=False, interaction_only=True).fit_transform(X[:, :3]),
}
for name, table in cases.items():
    for row, values in enumerate(table):
        for column, value in enumerate(values):
            print(f"{name},{row},{column},{'' if np.isnan(value) else repr(float(value))}")
