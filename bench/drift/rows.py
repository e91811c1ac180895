"""Makes the rows of the bench: 16 columns of numbers and 4 of texts, the same rows as CSV and as NumPy arrays.

    python rows.py FOLDER ROWS      # base.csv, study.csv, rows.npz

Half of the rows are the base, half the study. Each column of the study has moved a little more than the one before it.
"""

import pathlib
import sys

import numpy
import pandas

NUMBERS, TEXTS = 16, 4


def sample(random, rows, moved):
    columns = {}
    for place in range(NUMBERS):
        step = moved * place / NUMBERS
        shapes = [
            lambda: random.standard_normal(rows) + step,
            lambda: random.exponential(1 + step, rows),
            lambda: numpy.exp(random.standard_normal(rows) * (1 + step)),
            lambda: numpy.round(random.standard_normal(rows) * 10 + step * 10),
        ]
        columns[f"n{place + 1}"] = shapes[place % 4]()
    for place in range(TEXTS):
        names = numpy.array([f"category {name}" for name in range(10 ** (place % 3 + 1))])
        rank = numpy.arange(1, len(names) + 1) ** -(1 + moved * place / TEXTS)
        columns[f"c{place + 1}"] = random.choice(names, rows, p=rank / rank.sum())
    return columns


def main():
    folder, rows = pathlib.Path(sys.argv[1]), int(sys.argv[2]) // 2
    random = numpy.random.default_rng(7)
    arrays = {}
    for name, moved in (("base", 0.0), ("study", 0.5)):
        columns = sample(random, rows, moved)
        pandas.DataFrame(columns).to_csv(folder / f"{name}.csv", index=False)
        arrays |= {f"{name}_{column}": values for column, values in columns.items()}
    numpy.savez(folder / "rows.npz", **arrays)


main()
