"""scipy and NumPy: the distances of two samples, column by column. Reading the arrays is not part of what is measured."""

import argparse
import pathlib
import sys

import numpy
from scipy import stats
from scipy.spatial.distance import jensenshannon

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "linear"))
import figures  # noqa: E402


def binned(base, study, bins=10):
    weights = numpy.concatenate([numpy.full(len(base), len(study)), numpy.full(len(study), len(base))]).astype(float)
    ranks = numpy.arange(1, bins) / bins
    both = numpy.concatenate([base, study])
    edges = numpy.unique(numpy.quantile(both, ranks, method="inverted_cdf", weights=weights))
    shares = [
        numpy.bincount(numpy.searchsorted(edges, values), minlength=len(edges) + 1) / len(values)
        for values in (base, study)
    ]
    return jensenshannon(*shares, base=2) ** 2


def of_texts(base, study):
    names, places = numpy.unique(numpy.concatenate([base, study]), return_inverse=True)
    shares = [
        numpy.bincount(part, minlength=len(names)) / len(part) for part in (places[: len(base)], places[len(base) :])
    ]
    return numpy.abs(shares[0] - shares[1]).max()


OF_NUMBERS = {
    "jensen_shannon": binned,
    "kolmogorov_smirnov": lambda base, study: stats.ks_2samp(base, study, method="asymp").statistic,
    "wasserstein": stats.wasserstein_distance,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows")
    parser.add_argument("metric", choices=OF_NUMBERS)
    arguments = parser.parse_args()
    arrays = dict(numpy.load(arguments.rows))
    names = [name.removeprefix("base_") for name in arrays if name.startswith("base_")]
    with figures.Measured() as measured:
        distances = []
        for name in names:
            of = OF_NUMBERS[arguments.metric] if name.startswith("n") else of_texts
            distances.append(of(arrays[f"base_{name}"], arrays[f"study_{name}"]))
    rows = len(arrays["base_n1"]) + len(arrays["study_n1"])
    figures.report(rows, measured, {"mean": float(numpy.mean(distances)), "largest": float(numpy.max(distances))})


main()
