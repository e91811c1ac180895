"""Reference weights for the multilayer perceptron, computed independently of it, in double precision.

Writes, beside this file:

    mlp_rows.csv      a small fixed data set: three numbers, two classes, three classes, a number
    mlp_weights.csv   target, options, then all initial weights, then all weights after one pass in mini-batches

Weights are listed layer after layer: the matrix, an input a row; the bias; with layer normalisation gain and shift.
Forward and backward passes, the losses and Adam (Kingma & Ba 2015, Algorithm 1) are written from their formulas.

Run with numpy 2:  python mlp.py
"""

import os

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS, BATCH = 24, 8
rng = np.random.default_rng(20240611)
X = np.round(rng.normal(size=(ROWS, 3)), 3)
raw = np.sin(X[:, 0]) + X[:, 1] * X[:, 2]
binary, three, number = (raw > 0).astype(int), np.digitize(raw, [-0.4, 0.4]), np.round(3 * raw, 3)

with open(os.path.join(HERE, "mlp_rows.csv"), "w") as out:
    out.write("x0,x1,x2,binary,three,number\n")
    for i in range(ROWS):
        out.write(",".join(map(str, [*map(float, X[i]), binary[i], three[i], float(number[i])])) + "\n")

ACTIVATION = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "gelu": (
        lambda z: 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))),
        lambda z: 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))
        + 0.5 * z * (1 - np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)) ** 2)
        * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * z**2),
    ),
}


def slopes(target, s, y, huber):
    if target == "binary":
        return 1 / (1 + np.exp(-s)) - y[:, None]
    if target == "number":
        return np.clip(s - y[:, None], -huber, huber)
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True) - np.eye(3)[y]


def run(target, options):
    o = dict(pair.split("=") for pair in options.split())
    f = lambda key, default: float(o.get(key, default))
    act, slope = ACTIVATION[o.get("activation", "relu")]
    norm = o.get("layer_norm") == "true"
    sizes = [3, *map(int, o["hidden_layers"].split("|")), 3 if target == "three" else 1]
    y = {"binary": binary, "three": three, "number": number}[target]
    layers = []
    for l in range(len(sizes) - 1):
        layer = [rng.normal(size=(sizes[l], sizes[l + 1])) * 0.5, rng.normal(size=sizes[l + 1]) * 0.1]
        if norm and l < len(sizes) - 2:
            layer += [1 + 0.1 * rng.normal(size=sizes[l + 1]), 0.1 * rng.normal(size=sizes[l + 1])]
        layers.append([p.astype(np.float32).astype(float) for p in layer])
    first = np.concatenate([p.ravel() for layer in layers for p in layer])
    m = [[np.zeros_like(p) for p in layer] for layer in layers]
    v = [[np.zeros_like(p) for p in layer] for layer in layers]
    for t, at in enumerate(range(0, ROWS, BATCH), 1):
        x, target_rows = X[at : at + BATCH], y[at : at + BATCH]
        h, kept = x, []
        for l, layer in enumerate(layers):
            z = h @ layer[0] + layer[1]
            hat = deviation = None
            if len(layer) == 4:
                deviation = np.sqrt(z.var(axis=1, keepdims=True) + 1e-5)
                hat = (z - z.mean(axis=1, keepdims=True)) / deviation
                z = hat * layer[2] + layer[3]
            kept.append((h, z, hat, deviation))
            h = act(z) if l < len(layers) - 1 else z
        d = slopes(target, h, target_rows, f("huber_epsilon", 1) if o.get("loss") == "huber" else np.inf) / BATCH
        gradients = [None] * len(layers)
        for l in reversed(range(len(layers))):
            h, z, hat, deviation = kept[l]
            g = []
            if l < len(layers) - 1:
                d = d * slope(z)
            if hat is not None:
                g = [(d * hat).sum(axis=0), d.sum(axis=0)]
                d = d * layers[l][2]
                d = (d - d.mean(axis=1, keepdims=True) - hat * (d * hat).mean(axis=1, keepdims=True)) / deviation
            gradients[l] = [h.T @ d, d.sum(axis=0)] + g
            d = d @ layers[l][0].T
        length = np.sqrt(sum((g**2).sum() for layer in gradients for g in layer))
        clip = min(1.0, f("clip_gradient", 10) / length)
        rate = f("learning_rate", 0.001)
        for l, layer in enumerate(layers):
            for i, p in enumerate(layer):
                penalized = i == 0
                g = gradients[l][i] * clip + (f("l2", 0) * p if penalized else 0)
                shrink = 1 - rate * f("weight_decay", 0) if penalized else 1
                if o.get("optimizer") == "sgd":
                    layer[i] = p * shrink - rate * g
                    continue
                b1, b2 = f("beta1", 0.9), f("beta2", 0.999)
                m[l][i] = b1 * m[l][i] + (1 - b1) * g
                v[l][i] = b2 * v[l][i] + (1 - b2) * g**2
                layer[i] = p * shrink - rate * (m[l][i] / (1 - b1**t)) / (np.sqrt(v[l][i] / (1 - b2**t)) + 1e-8)
    return first, np.concatenate([p.ravel() for layer in layers for p in layer])


CASES = [
    (target, options)
    for target in ["binary", "three", "number"]
    for options in [
        "hidden_layers=5 learning_rate=0.01",
        "hidden_layers=5|4 learning_rate=0.01",
        "hidden_layers=9|4 learning_rate=0.05 optimizer=sgd",
        "hidden_layers=5|4 learning_rate=0.01 activation=gelu",
        "hidden_layers=6|4 learning_rate=0.01 layer_norm=true",
        "hidden_layers=6 learning_rate=0.02 layer_norm=true activation=gelu l2=0.01",
        "hidden_layers=5|4 learning_rate=0.05 weight_decay=0.1 optimizer=sgd clip_gradient=0.2",
        "hidden_layers=5|4 learning_rate=0.01 weight_decay=0.1 beta1=0.8 beta2=0.99",
    ]
] + [("number", "hidden_layers=5|4 learning_rate=0.01 loss=huber huber_epsilon=0.5")]

with open(os.path.join(HERE, "mlp_weights.csv"), "w") as out:
    out.write("target,options,weights: the initial ones then the learned ones\n")
    for target, options in CASES:
        first, last = run(target, options)
        out.write(f"{target},{options}," + ",".join(f"{w:.9g}" for w in [*first, *last]) + "\n")
