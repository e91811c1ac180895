"""Writes the reference values that `src/drift/golden.rs` checks, next to this script.

    pip install river==0.26.1
    python drift.py

drift_values.csv   stream, value: one after the other; a change of the mean, of the spread, or none, every few hundred values
drift_changes.csv  detector, options, stream, index, change, width, mean, variance: a line wherever what a detector says differs from
                   what it said at the value before (change is none, warning or drift), and every 500 values; the last three are
                   those of ADWIN's window
drift_ks.csv       stream, first, second, size, statistic, p: the test of Kolmogorov and Smirnov (SciPy) on two parts of a stream
                   of `size` values, that begin at `first` and `second`

The stream "formula" is not stored: its values are 0 or 1 by integer arithmetic that the test does as well.
"""

import csv
import pathlib
import random
import warnings

from river import drift
from river._river_rust.drift import AdaptiveWindowing
from scipy import stats

HERE = pathlib.Path(__file__).parent
MASK = (1 << 64) - 1
FORMULA_VALUES = 300_000


def formula(i):
    """0 or 1; 1 more often in some stretches of values than in others."""
    z = (i * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    per_mille = [100, 100, 100, 120, 300, 290, 50, 51][i // 16_384 % 8]
    return int(((z ^ (z >> 31)) >> 11) % 1000 < per_mille)


def streams():
    rng = random.Random(20071)

    def bits(parts):
        return [int(rng.random() < p) for length, p in parts for _ in range(length)]

    def normal(parts, digits):
        return [round(rng.gauss(mean, spread), digits) for length, mean, spread in parts for _ in range(length)]

    slow = [int(rng.random() < 0.1 + 0.5 * min(max(i - 400, 0) / 800, 1)) for i in range(1400)]
    return {
        "sudden": bits([(500, 0.2), (400, 0.5), (500, 0.1), (100, 0.9), (300, 0.05)]),
        "slow": slow,
        "rare": bits([(700, 0.01), (500, 0.06), (300, 0.0)]),
        "normal": normal([(500, 0.0, 1.0), (400, 1.0, 1.0), (400, -0.5, 2.0), (300, -0.5, 0.2)], 3),
        "large": normal([(400, 1000.0, 50.0), (300, 1100.0, 50.0), (200, 1100.0, 5.0)], 1),
        "shares": [round(min(max(x, 0.0), 1.0), 3) for x in normal([(400, 0.3, 0.2), (300, 0.5, 0.2), (300, 0.2, 0.1)], 4)],
    }


class Keeping:
    """ADWIN that goes on after a drift with what is left of its window."""

    def __init__(self, **options):
        defaults = {"delta": 0.002, "clock": 32, "max_buckets": 5, "min_window_length": 5, "grace_period": 10}
        self.window = AdaptiveWindowing(**{**defaults, **options})

    def update(self, x):
        self.drift_detected = self.window.update(x)

    width = property(lambda self: self.window.get_width())
    estimation = property(lambda self: self.window.get_total() / self.window.get_width())
    variance = property(lambda self: self.window.get_variance())


BITS = ["sudden", "slow", "rare"]
NUMBERS = [*BITS, "normal", "large", "shares"]
# Detector, class, streams, options of each run.
RUNS = [
    ("adwin", drift.ADWIN, [*NUMBERS, "formula"], [{}, {"delta": 0.05, "clock": 8}]),
    ("adwin", drift.ADWIN, NUMBERS, [{"max_buckets": 2}, {"delta": 0.1, "clock": 1, "max_buckets": 9, "min_window_length": 1}]),
    ("adwin", drift.ADWIN, NUMBERS, [{"min_window_length": 40, "grace_period": 150}]),
    ("adwin", Keeping, [*NUMBERS, "formula"], [{"restart": "false"}]),
    ("ddm", drift.binary.DDM, [*BITS, "formula"], [{}]),
    ("ddm", drift.binary.DDM, BITS, [{"warm_start": 100, "warning_threshold": 1.5, "drift_threshold": 2.5}]),
    ("eddm", drift.binary.EDDM, [*BITS, "formula"], [{}]),
    ("eddm", drift.binary.EDDM, BITS, [{"warm_start": 10, "alpha": 0.9, "beta": 0.8}]),
    ("hddm_a", drift.binary.HDDMA, [*BITS, "shares", "formula"], [{}, {"two_sided_test": True}]),
    ("hddm_a", drift.binary.HDDMA, [*BITS, "shares"], [{"drift_confidence": 1e-05, "warning_confidence": 0.1}]),
    ("hddm_w", drift.binary.HDDMW, [*BITS, "shares", "formula"], [{}]),
    ("hddm_w", drift.binary.HDDMW, [*BITS, "shares"], [{"two_sided_test": True}, {"lambda_val": 0.01, "warning_confidence": 0.05}]),
    ("page_hinkley", drift.PageHinkley, [*NUMBERS, "formula"], [{}]),
    ("page_hinkley", drift.PageHinkley, NUMBERS, [{"threshold": 10.0, "alpha": 0.99, "min_instances": 5}]),
    ("page_hinkley", drift.PageHinkley, NUMBERS, [{"mode": "up", "threshold": 20.0}, {"mode": "down", "delta": 0.1}]),
]


def changes(name, detector, values):
    before = "none"
    for index, x in enumerate(values):
        detector.update(x)
        warning = getattr(detector, "warning_detected", False)
        now = "drift" if detector.drift_detected else "warning" if warning else "none"
        if now != before or index % (20_000 if len(values) > 10_000 else 500) == 0:
            window = ["", "", ""]
            if name == "adwin":
                width = detector.width
                window = [int(width), repr(detector.estimation), repr(detector.variance / width)]
            yield [index, now, *window]
        before = now


def write(name, header, rows):
    with open(HERE / name, "w", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main():
    values = streams()
    write("drift_values.csv", ["stream", "value"], [[name, x] for name, stream in values.items() for x in stream])
    values["formula"] = [formula(i) for i in range(FORMULA_VALUES)]
    rows = []
    for name, make, names, runs in RUNS:
        for options in runs:
            for stream in names:
                given = {key: value for key, value in options.items() if key != "restart"}
                text = " ".join(f"{key}={str(value).lower()}" for key, value in options.items())
                rows += [[name, text, stream, *change] for change in changes(name, make(**given), values[stream])]
    header = ["detector", "options", "stream", "index", "change", "width", "mean", "variance"]
    write("drift_changes.csv", header, rows)
    warnings.simplefilter("error", RuntimeWarning)
    rows = []
    for stream in ["sudden", "normal", "shares"]:
        for size in [1, 2, 7, 30, 100, 250]:
            for first, second in [(0, 250), (300, 600), (420, 700), (100, 101)]:
                a, b = (values[stream][at : at + size] for at in (first, second))
                try:
                    test = stats.ks_2samp(a, b, method="exact")
                except RuntimeWarning:  # SciPy gives up on the exact value.
                    print("left out:", stream, first, second, size)
                    continue
                rows.append([stream, first, second, size, repr(float(test.statistic)), repr(float(test.pvalue))])
    write("drift_ks.csv", ["stream", "first", "second", "size", "statistic", "p"], rows)


main()
