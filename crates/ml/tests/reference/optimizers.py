"""Reference weights for the linear learners, computed independently of them.

Writes, beside this file:

    optimizers_rows.csv      a small fixed data set: dense features, two one-hot columns as sparse indices, targets
    optimizers_weights.csv   case, options, then every weight after one pass over the rows, the intercept last

Each optimizer is written here from its paper's formula, one row at a time, on full dense vectors: nothing lazy, nothing
sparse, nothing shared with the Rust code. Where scikit-learn has the same algorithm, its own weights are stored as further
cases (the last ones), from `partial_fit` of one row at a time.

Run with numpy 2 and scikit-learn 1.7:  python optimizers.py
"""

import os

import numpy as np
from sklearn.linear_model import PassiveAggressiveClassifier, PassiveAggressiveRegressor, Perceptron
from sklearn.linear_model import SGDClassifier, SGDRegressor

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS, DENSE, SPARSE = 80, 3, 6

# ---------------------------------------------------------------------------------------------------------------- the data

rng = np.random.default_rng(20240607)
dense = np.round(rng.normal(size=(ROWS, DENSE)) * [1.0, 2.0, 0.5] + [0.0, 0.5, 0.0], 3)
first, second = rng.integers(0, 3, ROWS), 3 + rng.integers(0, 3, ROWS)
X = np.zeros((ROWS, DENSE + SPARSE))
X[:, :DENSE] = dense
X[np.arange(ROWS), DENSE + first] = 1.0
X[np.arange(ROWS), DENSE + second] = 1.0
raw = X @ np.array([1.0, -0.7, 0.4, 0.5, -0.5, 0.0, 1.0, -1.0, 0.2]) + 0.3 * rng.normal(size=ROWS)
binary = (raw > 0.2).astype(int)
three = np.digitize(raw, [-0.5, 0.9])
number = np.round(raw, 4)
count = rng.poisson(np.exp(np.clip(raw, -2, 1.5)))

with open(os.path.join(HERE, "optimizers_rows.csv"), "w") as out:
    out.write("x0,x1,x2,first,second,binary,three,number,count\n")
    for i in range(ROWS):
        values = [*map(repr, map(float, dense[i])), first[i], second[i], binary[i], three[i], repr(float(number[i])), count[i]]
        out.write(",".join(map(str, values)) + "\n")

# -------------------------------------------------------------------------------------------------------------- the losses

sign = lambda y: 2.0 * y - 1.0
sigmoid = lambda s: 1.0 / (1.0 + np.exp(-s))
GRADIENT = {
    "log": lambda s, y: sigmoid(s) - y,
    "hinge": lambda s, y: -sign(y) if sign(y) * s <= 1 else 0.0,
    "squared_hinge": lambda s, y: -2.0 * sign(y) * max(0.0, 1 - sign(y) * s),
    "modified_huber": lambda s, y: -4.0 * sign(y) if sign(y) * s < -1 else -2.0 * sign(y) * max(0.0, 1 - sign(y) * s),
    "perceptron": lambda s, y: -sign(y) if sign(y) * s <= 0 else 0.0,
    "squared": lambda s, y: s - y,
    "huber": lambda s, y: float(np.clip(s - y, -0.8, 0.8)),
    "epsilon_insensitive": lambda s, y: float(np.sign(s - y)) if abs(s - y) > 0.3 else 0.0,
    "quantile": lambda s, y: (1 - 0.8) if s > y else (-0.8 if s < y else 0.0),
    "poisson": lambda s, y: np.exp(s) - y,
}

# ---------------------------------------------------------------------------------------------------------- the optimizers
# Each takes (weights, state, gradient, rate, t, present) on whole vectors; the last weight is the intercept. `present` marks
# features that the row has, for those optimizers whose state stands still for absent sparse features.


def sgd(w, state, g, rate, t, present):
    return w - rate * g


def momentum(w, state, g, rate, t, present, mu=0.9):
    v = state.setdefault("v", np.zeros_like(w))
    v[present] = mu * v[present] + g[present]
    return np.where(present, w - rate * v, w)


def nesterov(w, state, g, rate, t, present, mu=0.9):
    v = state.setdefault("v", np.zeros_like(w))
    v[present] = mu * v[present] + g[present]
    return np.where(present, w - rate * (g + mu * v), w)


def adagrad(w, state, g, rate, t, present, eps=1e-8):
    s = state.setdefault("s", np.zeros_like(w))
    s += g**2
    return w - rate * g / (np.sqrt(s) + eps)


def rmsprop(w, state, g, rate, t, present, rho=0.9, eps=1e-8):
    s = state.setdefault("s", np.zeros_like(w))
    s[present] = rho * s[present] + (1 - rho) * g[present] ** 2
    return w - rate * g / (np.sqrt(s) + eps)


def adam(w, state, g, rate, t, present, b1=0.9, b2=0.999, eps=1e-8):
    m, v = state.setdefault("m", np.zeros_like(w)), state.setdefault("v", np.zeros_like(w))
    m[present] = b1 * m[present] + (1 - b1) * g[present]
    v[present] = b2 * v[present] + (1 - b2) * g[present] ** 2
    return np.where(present, w - rate * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps), w)


def ftrl(w, state, g, rate, t, present, beta=1.0, l1=0.0, l2=0.0):
    z, n = state.setdefault("z", np.zeros_like(w)), state.setdefault("n", np.zeros_like(w))
    z += g - (np.sqrt(n + g**2) - np.sqrt(n)) / rate * w
    n += g**2
    free = np.arange(len(w)) == len(w) - 1  # the intercept carries no penalty
    l1, l2 = np.where(free, 0.0, l1), np.where(free, 0.0, l2)
    return np.where(np.abs(z) <= l1, 0.0, -(z - np.sign(z) * l1) / ((beta + np.sqrt(n)) / rate + l2))


CONSTANT = lambda rate: lambda t: rate
INVERSE = lambda rate, power: lambda t: rate / t**power


def optimal(l2):
    start = 1.0 / (np.sqrt(1.0 / np.sqrt(l2)) * l2)
    return lambda t: 1.0 / (l2 * (start + t - 1))


def learn(loss, y, optimizer, rate, intercept_rate=None, l1=0.0, l2=0.0, weights=None, classes=None, clip=1e12, start=0.0):
    """One pass. With `classes`, softmax: a weight vector a class, the gradient p_k - [k = y]."""
    k = classes or 1
    w = np.zeros((k, X.shape[1] + 1))
    w[:, -1] = start
    states = [{} for _ in range(k)]
    for t, (features, target) in enumerate(zip(X, y), start=1):
        x = np.append(features, 1.0)
        present = np.append((np.arange(X.shape[1]) < DENSE) | (features != 0), True)
        scores = w @ x
        if classes:
            p = np.exp(scores - scores.max())
            slopes = p / p.sum() - (np.arange(k) == target)
        else:
            slopes = np.array([GRADIENT[loss](scores[0], target)])
        slopes = np.clip(slopes * (1.0 if weights is None else weights[t - 1]), -clip, clip)
        rates = np.full(len(x), rate(t))
        rates[-1] = (intercept_rate or rate)(t)
        # A penalty is paid by every weight at every row, present or not; the intercept pays none.
        decay = np.append(np.full(len(x) - 1, rate(t)), 0.0)
        for c in range(k):
            w[c] = w[c] * np.maximum(0, 1 - decay * l2)
            w[c] = optimizer(w[c], states[c], slopes[c] * x, rates, t, present)
            w[c] = np.sign(w[c]) * np.maximum(0, np.abs(w[c]) - decay * l1)
    return w


def balanced(y, k):
    counts, result = np.zeros(k), []
    for target in y:
        counts[target] += 1
        result.append(counts.sum() / (k * counts[target]))
    return result


def passive_aggressive(y, variant, c=1.0, epsilon=None):
    w = np.zeros(X.shape[1] + 1)
    for features, target in zip(X, y):
        x = np.append(features, 1.0)
        if epsilon is None:
            loss, way = max(0.0, 1 - sign(target) * (w @ x)), sign(target)
        else:
            loss, way = max(0.0, abs(w @ x - target) - epsilon), np.sign(target - w @ x)
        tau = {"pa": loss / (x @ x), "pa-i": min(c, loss / (x @ x)), "pa-ii": loss / (x @ x + 1 / (2 * c))}[variant]
        w = w + tau * way * x
    return [w]


# --------------------------------------------------------------------------------------------------------------- the cases

cases = []


def case(algorithm, target, options, weights):
    options = " ".join(f"{key}={value}" for key, value in options.items())
    flat = [repr(float(v)) for row in np.atleast_2d(weights) for v in row]
    cases.append(",".join([algorithm, target, options, *flat]))


LR, REG = "logistic_regression", "linear_regression"
OPTIMIZERS = [("sgd", sgd), ("momentum", momentum), ("nesterov", nesterov), ("adagrad", adagrad), ("rmsprop", rmsprop),
              ("adam", adam), ("ftrl", ftrl)]
for name, optimizer in OPTIMIZERS:
    given = {"optimizer": name, "learning_rate": 0.05}
    case(LR, "binary", given, learn("log", binary, optimizer, CONSTANT(0.05)))
    case(LR, "binary", {**given, "intercept_learning_rate": 0.01},
         learn("log", binary, optimizer, CONSTANT(0.05), CONSTANT(0.01)))
    case(REG, "number", given, learn("squared", number, optimizer, CONSTANT(0.05)))
    case(LR, "three", given, learn(None, three, optimizer, CONSTANT(0.05), classes=3))
    if name != "ftrl":
        case(LR, "binary", {**given, "l1": 0.02, "l2": 0.3},
             learn("log", binary, optimizer, CONSTANT(0.05), l1=0.02, l2=0.3))
        case(LR, "three", {**given, "l1": 0.02, "l2": 0.3},
             learn(None, three, optimizer, CONSTANT(0.05), l1=0.02, l2=0.3, classes=3))
        case(REG, "number", {**given, "learning_rate_schedule": "inverse_scaling", "power_t": 0.3},
             learn("squared", number, optimizer, INVERSE(0.05, 0.3)))
for loss in ["hinge", "squared_hinge", "modified_huber"]:
    case("linear_svm", "binary", {"loss": loss, "learning_rate": 0.02, "l2": 0.001},
         learn(loss, binary, sgd, CONSTANT(0.02), l2=0.001))
case("linear_svm", "binary", {"learning_rate_schedule": "optimal", "l2": 0.01},
     learn("hinge", binary, sgd, optimal(0.01), l2=0.01))
case("perceptron", "binary", {}, learn("perceptron", binary, sgd, CONSTANT(1.0)))
case(REG, "number", {"loss": "huber", "huber_epsilon": 0.8}, learn("huber", number, sgd, CONSTANT(0.01)))
case(REG, "number", {"loss": "epsilon_insensitive", "insensitive_epsilon": 0.3},
     learn("epsilon_insensitive", number, sgd, CONSTANT(0.01)))
case(REG, "number", {"loss": "quantile", "quantile": 0.8}, learn("quantile", number, sgd, CONSTANT(0.01)))
case(REG, "count", {"loss": "poisson", "initial_intercept": 0.5}, learn("poisson", count, sgd, CONSTANT(0.01), start=0.5))
case(REG, "number", {"clip_gradient": 0.25}, learn("squared", number, sgd, CONSTANT(0.01), clip=0.25))
case(LR, "binary", {"optimizer": "ftrl", "learning_rate": 0.1, "l1": 0.4, "l2": 0.7, "ftrl_beta": 0.5},
     learn("log", binary, lambda *a: ftrl(*a, beta=0.5, l1=0.4, l2=0.7), CONSTANT(0.1)))
case(LR, "binary", {"class_weight": "0:0.5;1:3"}, learn("log", binary, sgd, CONSTANT(0.01), weights=[[0.5, 3.0][y] for y in binary]))
case(LR, "binary", {"class_weight": "balanced"}, learn("log", binary, sgd, CONSTANT(0.01), weights=balanced(binary, 2)))
case(LR, "three", {"class_weight": "balanced"},
     learn(None, three, sgd, CONSTANT(0.01), weights=balanced(three, 3), classes=3))
for variant in ["pa", "pa-i", "pa-ii"]:
    c = {} if variant == "pa" else {"aggressiveness": 0.1}
    case("passive_aggressive", "binary", {"variant": variant, **c}, passive_aggressive(binary, variant, c=0.1))
    case("passive_aggressive", "number", {"variant": variant, **c}, passive_aggressive(number, variant, c=0.1, epsilon=0.1))

# ------------------------------------------------------------------------------------------------------------ scikit-learn


def sklearn(model, y, constant=False, **kwargs):
    """One row at a time. `constant`: a feature that is always 1 in place of the intercept."""
    rows = np.column_stack([X, np.ones(ROWS)]) if constant else X
    for i in range(ROWS):
        model.partial_fit(rows[i : i + 1], y[i : i + 1], **kwargs)
    return model.coef_ if constant else np.column_stack([np.atleast_2d(model.coef_), model.intercept_])


two, plain = {"classes": [0, 1]}, {"shuffle": False}
sgd_classifier = lambda **o: SGDClassifier(learning_rate="constant", **plain, **o)
case(LR, "binary", {"learning_rate": 0.1},
     sklearn(sgd_classifier(loss="log_loss", eta0=0.1, alpha=0, penalty=None), binary, **two))
case(LR, "binary", {"learning_rate": 0.1, "l2": 0.05},
     sklearn(sgd_classifier(loss="log_loss", eta0=0.1, alpha=0.05, penalty="l2"), binary, **two))
case("linear_svm", "binary", {"learning_rate": 0.1, "l2": 0.05},
     sklearn(sgd_classifier(loss="hinge", eta0=0.1, alpha=0.05, penalty="l2"), binary, **two))
case("linear_svm", "three", {"learning_rate": 0.1, "l2": 0.05},
     sklearn(sgd_classifier(loss="hinge", eta0=0.1, alpha=0.05, penalty="l2"), three, classes=[0, 1, 2]))
case("linear_svm", "binary", {"learning_rate_schedule": "optimal", "l2": 0.05},
     sklearn(SGDClassifier(loss="hinge", learning_rate="optimal", alpha=0.05, **plain), binary, **two))
case("perceptron", "binary", {}, sklearn(Perceptron(**plain), binary, **two))
case("perceptron", "three", {}, sklearn(Perceptron(**plain), three, classes=[0, 1, 2]))
case(REG, "number", {"learning_rate": 0.02, "l2": 0.05, "learning_rate_schedule": "inverse_scaling", "power_t": 0.25},
     sklearn(SGDRegressor(learning_rate="invscaling", eta0=0.02, power_t=0.25, alpha=0.05, **plain), number))
case(REG, "number", {"learning_rate": 0.02, "loss": "huber", "huber_epsilon": 0.5},
     sklearn(SGDRegressor(loss="huber", epsilon=0.5, learning_rate="constant", eta0=0.02, alpha=0, **plain), number))
for variant, loss in [("pa-i", "hinge"), ("pa-ii", "squared_hinge")]:
    options = {"variant": variant, "aggressiveness": 0.1}
    model = PassiveAggressiveClassifier(C=0.1, loss=loss, fit_intercept=False, **plain)
    case("passive_aggressive", "binary", options, sklearn(model, binary, constant=True, **two))
    model = PassiveAggressiveClassifier(C=0.1, loss=loss, fit_intercept=False, **plain)
    case("passive_aggressive", "three", options, sklearn(model, three, constant=True, classes=[0, 1, 2]))
for variant, loss in [("pa-i", "epsilon_insensitive"), ("pa-ii", "squared_epsilon_insensitive")]:
    model = PassiveAggressiveRegressor(C=0.1, loss=loss, epsilon=0.1, fit_intercept=False, **plain)
    case("passive_aggressive", "number", {"variant": variant, "aggressiveness": 0.1}, sklearn(model, number, constant=True))

with open(os.path.join(HERE, "optimizers_weights.csv"), "w") as out:
    out.write("algorithm,target,options,weights: dense then sparse then intercept, class after class\n")
    out.write("\n".join(cases) + "\n")
print(f"{len(cases)} cases")
