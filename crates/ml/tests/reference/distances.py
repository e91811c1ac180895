"""Writes the reference values that `src/metric/distance/golden.rs` checks, next to this script.

    python distances.py      # scipy 1.17, numpy 2

distances_rows.csv    case, kind of the values (number or text), sample (0 reference, 1 study), value
distances_values.csv  case, measure, bins (empty: the default), value

scipy computes the values: ks_2samp, wasserstein_distance, chi2_contingency without correction, and jensenshannon with base 2, squared,
of shares. Bins of numbers end at quantiles, the least values that so much is at or below: for PSI of the reference,
for Jensen-Shannon of both samples with weights that make them equally heavy. PSI is written out here, with shares of at least 0.0001.
"""

import csv
import pathlib

import numpy as np
from scipy import stats
from scipy.spatial.distance import jensenshannon

HERE = pathlib.Path(__file__).parent
random = np.random.default_rng(20261201)


def draw(names, shares, rows):
    return list(random.choice(names, rows, p=shares))


NUMBERS = {
    "shifted": (random.standard_normal(200), random.standard_normal(150) + 0.5),
    "alike": (random.standard_normal(120), random.standard_normal(180)),
    "wider, skewed": (random.exponential(2.0, 90), random.exponential(5.0, 130)),
    "far apart": (random.uniform(0, 1, 40), random.uniform(10, 11, 30)),
    "with ties": (np.round(random.standard_normal(150), 1), np.round(1.3 * random.standard_normal(170), 1)),
    "few values": (random.integers(0, 4, 60).astype(float), random.integers(1, 6, 80).astype(float)),
}
TEXTS = {
    "three": (draw(["a", "b", "c"], [0.5, 0.3, 0.2], 120), draw(["a", "b", "c"], [0.3, 0.3, 0.4], 90)),
    "new and gone": (draw(["a", "b", "c"], [0.4, 0.4, 0.2], 70), draw(["b", "c", "ü"], [0.2, 0.4, 0.4], 75)),
    "many": (draw([f"c{i}" for i in range(40)], None, 400), draw([f"c{i}" for i in range(3, 45)], None, 300)),
}


def shares(values, edges):
    # Bin i holds what is above edge i - 1 and at or below edge i.
    places = np.searchsorted(edges, values, side="left")
    return np.bincount(places, minlength=len(edges) + 1) / len(values)


def psi(r, s):
    r, s = np.maximum(r, 1e-4), np.maximum(s, 1e-4)
    return float(np.sum((s - r) * np.log(s / r)))


def quantiles(values, weights, bins):
    # In whole numbers: numpy's quantile rounds ranks such as 7 / 25, and then takes the next value.
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    places = [np.searchsorted(below * bins, below[-1] * edge) for edge in range(1, bins)]
    return np.unique(values[order][places])


def binned_psi(r, s, bins):
    edges = quantiles(r, np.ones(len(r), dtype=int), bins)
    # An edge at the least value would take in what is below it.
    if edges[0] == r.min() and (s < r.min()).any():
        edges = np.concatenate([[np.nextafter(r.min(), -np.inf)], edges])
    r, s = shares(r, edges), shares(s, edges)
    # A bin that neither sample reaches is none.
    reached = (r > 0) | (s > 0)
    return psi(r[reached], s[reached])


def binned_js(r, s, bins):
    weights = np.concatenate([np.full(len(r), len(s)), np.full(len(s), len(r))])
    edges = quantiles(np.concatenate([r, s]), weights, bins)
    return float(jensenshannon(shares(r, edges), shares(s, edges), base=2) ** 2)


def of_numbers(r, s):
    yield "ML_KOLMOGOROV_SMIRNOV", "", stats.ks_2samp(r, s).statistic
    yield "ML_WASSERSTEIN", "", stats.wasserstein_distance(r, s)
    for bins in (10, 4, 25):
        shown = "" if bins == 10 else bins
        yield "ML_PSI", shown, binned_psi(r, s, bins)
        yield "ML_JENSEN_SHANNON", shown, binned_js(r, s, bins)


def of_texts(r, s):
    names = sorted(set(r) | set(s))
    counts = np.array([[list(sample).count(name) for name in names] for sample in (r, s)])
    r, s = counts / counts.sum(axis=1, keepdims=True)
    yield "ML_CHI_SQUARE", "", stats.chi2_contingency(counts, correction=False).statistic
    yield "ML_L_INFINITY", "", np.abs(r - s).max()
    yield "ML_PSI", "", psi(r, s)
    yield "ML_JENSEN_SHANNON", "", jensenshannon(r, s, base=2) ** 2


def write(name, header, rows):
    with open(HERE / name, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


rows, values = [], []
for cases, kind, measures in ((NUMBERS, "number", of_numbers), (TEXTS, "text", of_texts)):
    for case, samples in cases.items():
        for place, sample in enumerate(samples):
            rows += [(case, kind, place, repr(float(x)) if kind == "number" else x) for x in sample]
        values += [(case, name, bins, repr(float(value))) for name, bins, value in measures(*samples)]
write("distances_rows.csv", ["case", "kind", "sample", "value"], rows)
write("distances_values.csv", ["case", "measure", "bins", "value"], values)
