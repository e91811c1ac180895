"""Writes the reference values that `src/selection/golden.rs` checks, next to this script.

    pip install scikit-learn==1.9.1
    python selection.py

selection_scores.csv   method, target, feature, score, p: of the small table, by scikit-learn (p by SciPy where scikit-learn has none)
selection_chosen.csv   method, target, k, features: those of the wide table that SelectKBest chooses, or that enter a lasso's path first

The tables are not stored: their values are made by integer arithmetic that the test does as well.
"""

import csv
import pathlib

import numpy as np
from scipy import stats
from sklearn import feature_selection
from sklearn.linear_model import lasso_path
from sklearn.metrics import mutual_info_score

HERE = pathlib.Path(__file__).parent
MASK = (1 << 64) - 1
SMALL_ROWS, WIDE_ROWS, WIDE_COLUMNS = 400, 2000, 200
INFORMATIVE, REDUNDANT = 10, 20
BINS = 16


def uniform(row, column):
    """A number from 0 to 1, by SplitMix64's finalizer."""
    z = ((row * 1_000_003 + column + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return ((z ^ (z >> 31)) >> 11) / (1 << 53)


def small_row(i):
    """Seven numbers and a category; a class of three; a number."""
    u = [uniform(i, j) for j in range(16)]
    label = int(u[0] * 3)
    x = [
        u[1] + u[2] + u[3] - 1.5,
        u[4] + 0.4 * label,
        float(int(u[5] * 5) + (2 * label if u[6] > 0.5 else 0)),
        1.0 if u[7] < 0.2 + 0.3 * label else 0.0,
        4.0 ** int(u[8] * 9) * (1 + label),
        1000.0 + u[9] * (1.0 if label == 1 else 0.5),
        3.0,
        float(label if u[10] < 0.3 else int(u[11] * 8)),
    ]
    return x, label, 2 * x[1] - x[3] + x[0] * x[0] + 0.3 * u[12]


def wide_row(i):
    """Features: ten that matter, twenty that are sums of them, the rest noise, in an order that mixes them; a class of two; a number."""
    x = [2 * uniform(i, j) - 1 for j in range(WIDE_COLUMNS)]
    for k in range(REDUNDANT):
        x[INFORMATIVE + k] = x[k % 10] + x[(3 * k + 2) % 10] + (x[(k + 5) % 10] if k >= 10 else 0.0)
    number = sum(x[:INFORMATIVE]) + (2 * uniform(i, WIDE_COLUMNS) - 1)
    mixed = [0.0] * WIDE_COLUMNS
    for j, value in enumerate(x):
        mixed[place(j)] = value
    return mixed, int(number > 0), number


def place(j):
    return (j * 77 + 13) % WIDE_COLUMNS


def cells(values, cells_max):
    """Cells of one width over asinh(2^16 x), the least power of two with which all fit."""
    finest = np.floor(np.arcsinh(np.asarray(values) * 65536.0) * 2.0**40).astype(np.int64)
    level = 0
    while (finest.max() >> level) - (finest.min() >> level) >= cells_max:
        level += 1
    return finest >> level


def binned(values, cells_max):
    """Cells put together into bins of about the same weight."""
    of_rows = cells(values, cells_max)
    which, counts = np.unique(of_rows, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    bins = np.minimum((middle / len(of_rows) * BINS).astype(int), BINS - 1)
    return bins[np.searchsorted(which, of_rows)]


def mutual_information(x, y):
    """The score, and the p-value of the G-test."""
    score = mutual_info_score(x, y)
    table = stats.contingency.crosstab(x, y).count
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    p = stats.chi2.sf(2 * len(x) * score, freedom) if freedom else float("nan")
    return score, p, score - freedom / (2 * len(x))


def standardised(values):
    values = np.asarray(values, dtype=float)
    spread = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def entries(x, y):
    """The penalty at which each feature enters."""
    x, y = standardised(x), standardised(y)
    first = np.abs(x.T @ y).max() / len(y)
    alphas = first * 1e-3 ** (np.arange(100) / 99)
    _, coefficients, _ = lasso_path(x, y, alphas=alphas, tol=1e-14, max_iter=1_000_000)
    entered = np.zeros(x.shape[1])
    for k in range(1, 100):
        weights = np.abs(coefficients[:, k])
        new = (entered == 0) & (weights > 0)
        if new.any():
            entered[new] = alphas[k] + (alphas[k - 1] - alphas[k]) * weights[new] / weights[new].max()
    return entered


def l1(x, y, classes):
    if not classes:
        entered = entries(x, y)
    else:
        known = np.unique(y)
        paths = known[:1] if len(known) == 2 else known
        entered = np.max([entries(x, y == label) for label in paths], axis=0)
    return entered / entered.max()


def scores(rows):
    x, label, number = (np.array(part) for part in zip(*rows))
    numbers = list(range(7))
    f, p = feature_selection.f_classif(x[:, :6], label)
    yield from (("anova_f", "class", j, f[j], p[j]) for j in range(6))
    counts = [2, 3, 4, 5, 6]
    chi2, p = feature_selection.chi2(x[:, counts], label)
    yield from (("chi_square", "class", j, chi2[i], p[i]) for i, j in enumerate(counts))
    test = stats.chi2_contingency(stats.contingency.crosstab(x[:, 7], label).count, correction=False)
    one_hot = np.eye(8)[x[:, 7].astype(int)]
    assert abs(feature_selection.chi2(one_hot, label)[0].sum() - test.statistic) < 1e-9
    yield "chi_square", "class", 7, test.statistic, test.pvalue
    threshold = feature_selection.VarianceThreshold(1e-9).fit(x)
    yield from (("variance", "class", j, threshold.variances_[j], None) for j in range(6))
    f, p = feature_selection.f_regression(x[:, :6], number)
    yield from (("f_regression", "number", j, f[j], p[j]) for j in range(6))
    r = feature_selection.r_regression(x[:, :6], number)
    yield from (("correlation", "number", j, abs(r[j]), p[j]) for j in range(6))
    for target, y in [("class", label), ("number", binned(number, 64))]:
        for j in numbers:
            yield "mutual_info", target, j, *mutual_information(binned(x[:, j], 256), y)[:2]
        yield "mutual_info", target, 7, *mutual_information(x[:, 7].astype(int), y)[:2]
    yield from (("l1", "class", j, score, None) for j, score in enumerate(l1(x[:, :7], label, True)))
    yield from (("l1", "number", j, score, None) for j, score in enumerate(l1(x[:, :7], number, False)))


def chosen(rows):
    x, label, number = (np.array(part) for part in zip(*rows))

    def best(score, y, k):
        support = feature_selection.SelectKBest(score, k=k).fit(x, y).get_support()
        return " ".join(str(j) for j in np.flatnonzero(support))

    def corrected(x, y):
        y = y if len(np.unique(y)) == 2 else binned(y, 64)
        return np.array([mutual_information(binned(x[:, j], 256), y)[2] for j in range(x.shape[1])])

    for k in [10, 20, 30]:
        yield "anova_f", "class", k, best(feature_selection.f_classif, label, k)
        yield "mutual_info", "class", k, best(corrected, label, k)
        yield "mutual_info", "number", k, best(corrected, number, k)
        yield "f_regression", "number", k, best(feature_selection.f_regression, number, k)
        yield "correlation", "number", k, best(lambda x, y: np.abs(feature_selection.r_regression(x, y)), number, k)
    matter = {place(j) for j in range(INFORMATIVE + REDUNDANT)}
    assert set(map(int, best(feature_selection.f_classif, label, 30).split())) == matter


def write(name, header, rows):
    with open(HERE / name, "w", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\n")
        writer.writerow(header)
        writer.writerows(["" if value is None else value for value in row] for row in rows)


write("selection_scores.csv", ["method", "target", "feature", "score", "p"], scores([small_row(i) for i in range(SMALL_ROWS)]))
write("selection_chosen.csv", ["method", "target", "k", "features"], chosen([wide_row(i) for i in range(WIDE_ROWS)]))
