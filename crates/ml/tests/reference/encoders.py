"""Writes encoders.csv: what scikit-learn's encoders and vectorizers make of a small table.

Made with Python 3.11, numpy 2.4 and scikit-learn 1.9 (1.4 or later has TargetEncoder for several classes):
    python encoders.py > encoders.csv
Lines are case,row,column,value. The table itself is the cases `category` (empty: missing), `x`, `text`, `number`, `binary` and `class`.
"""

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.preprocessing import KBinsDiscretizer, TargetEncoder

rng = np.random.default_rng(11)
n = 60
category = np.array([f"c{int(k)}" for k in np.minimum(rng.geometric(0.3, n), 7)], dtype=object)
missing = rng.uniform(size=n) < 0.15
shift = np.array([int(c[1:]) for c in category], dtype=float)
number = np.round(rng.normal(10.0 + 2.0 * shift, 3.0), 3)
binary = (rng.uniform(size=n) < 1.0 / (1.0 + shift)).astype(int)
classes = (shift.astype(int) + rng.integers(0, 2, n)) % 3
x = np.round(rng.exponential(3.0, n), 4)
words = "the The tide gate lets stream water IN in only when_it should be 42 a x high low été".split()
texts = [" ".join(rng.choice(words, rng.integers(0, 12))) for _ in range(n)]

def put(case, table):
    for row, values in enumerate(table):
        for column, value in enumerate(np.atleast_1d(values)):
            print(f"{case},{row},{column},{value if isinstance(value, str) else repr(float(value))}")

put("category", ["" if gone else c for c, gone in zip(category, missing)])
put("x", x)
put("text", texts)
put("number", number)
put("binary", binary)
put("class", classes)

with_missing = np.array([None if gone else c for c, gone in zip(category, missing)], dtype=object).reshape(-1, 1)
for name, y, kind in [("number", number, "continuous"), ("binary", binary, "binary"), ("class", classes, "multiclass")]:
    for smooth in ["auto", 0.0, 10.0]:
        encoder = TargetEncoder(smooth=smooth, target_type=kind).fit(with_missing, y)
        put(f"{name}_{smooth}", encoder.transform(with_missing))
        # A category that was never met.
        put(f"{name}_{smooth}_unknown", encoder.transform(np.array([["zzz"]], dtype=object)))

bins = KBinsDiscretizer(5, encode="ordinal", strategy="quantile", quantile_method="linear", subsample=None)
put("bins", bins.fit_transform(x.reshape(-1, 1)))

# The values of each text, ascending: which feature a word has is another matter.
for ngrams in [1, 2]:
    counts = CountVectorizer(ngram_range=(1, ngrams)).fit_transform(texts)
    put(f"counts_{ngrams}", [np.sort(row.data) for row in counts])
    for norm in ["l1", "l2", None]:
        weights = TfidfTransformer(norm=norm).fit_transform(counts)
        put(f"tfidf_{ngrams}_{norm}", [np.sort(row.data) for row in weights])
vectorizer = CountVectorizer()
weights = TfidfTransformer().fit_transform(vectorizer.fit_transform(texts)).toarray()
put("tfidf_tide", weights[:, vectorizer.vocabulary_["tide"]])
put("tfidf_été", weights[:, vectorizer.vocabulary_["été"]])
