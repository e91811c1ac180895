"""What the drivers of the peers have in common: measuring the part that counts, and the quality of predictions."""

import json
import resource
import sys
import time


class Measured:
    """Measures what happens inside `with`: clock, processor time of all threads, peak of memory up to its end."""

    def __enter__(self):
        self._wall = time.perf_counter()
        self._cpu = time.process_time()
        return self

    def __exit__(self, *_):
        self.cpu_s = time.process_time() - self._cpu
        self.wall_s = time.perf_counter() - self._wall
        unit = 1 if sys.platform == "darwin" else 1024
        self.peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def labels(path, rows=None):
    """The last column of the file, as a list of 0 and 1."""
    with open(path) as file:
        next(file)
        return [int(line[line.rindex(",") + 1 :]) for at, line in enumerate(file) if rows is None or at < rows]


def quality(label, probability):
    """Four metrics over all predictions, exactly, by scikit-learn. Not part of what is measured."""
    import numpy
    from sklearn import metrics

    label, probability = numpy.asarray(label), numpy.asarray(probability, dtype=float)
    predicted = probability >= 0.5
    return {
        "accuracy": metrics.accuracy_score(label, predicted),
        "f1": metrics.f1_score(label, predicted),
        "log_loss": metrics.log_loss(label, numpy.clip(probability, 1e-15, 1 - 1e-15)),
        "roc_auc": metrics.roc_auc_score(label, probability),
    }


def report(rows, measured, quality):
    """Prints the figures as one JSON object: the driver's last line."""
    figures = {
        "rows": rows,
        "cpu_s": measured.cpu_s,
        "wall_s": measured.wall_s,
        "peak_mib": measured.peak_mib,
        "quality": quality,
    }
    print(json.dumps(figures))
