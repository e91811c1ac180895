"""Writes shap_trees.csv, shap_rows.csv and shap_values.csv: trees of scikit-learn, rows, and their path-dependent Shapley values by
shap's TreeExplainer, for `src/explain/tests.rs`.

    pip install shap==0.51.0 scikit-learn==1.9.1
    python shap_trees.py
"""

import csv
import pathlib

import numpy as np
import shap
from sklearn.ensemble import RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor

HERE = pathlib.Path(__file__).parent
random = np.random.default_rng(7)
x = random.normal(size=(400, 6))
# shap compares rows as 32-bit numbers with thresholds: these are the same in both.
x = x.astype(np.float32).astype(float)
y = x[:, 0] * x[:, 1] + np.abs(x[:, 2]) + np.where(x[:, 3] > 0.5, x[:, 4], -1.0) + 0.1 * random.normal(size=400)
asked = x[:20]

models = [
    DecisionTreeRegressor(max_depth=3, random_state=1),
    DecisionTreeRegressor(max_depth=8, random_state=2),
    # As deep as it gets: features are asked about many times on a way.
    DecisionTreeRegressor(random_state=3),
    DecisionTreeRegressor(max_features=2, max_leaf_nodes=40, random_state=4),
]
trees = [model.fit(x, y) for model in models]
# Trees of bootstraps, whose rows count several times.
trees += RandomForestRegressor(n_estimators=5, max_depth=6, random_state=5).fit(x, y).estimators_

with (
    open(HERE / "shap_trees.csv", "w", newline="") as of_trees,
    open(HERE / "shap_values.csv", "w", newline="") as of_values,
    open(HERE / "shap_rows.csv", "w", newline="") as of_rows,
):
    nodes, values, rows = (csv.writer(file, lineterminator="\n") for file in (of_trees, of_values, of_rows))
    nodes.writerow(["tree", "node", "feature", "threshold", "left", "right", "value", "cover"])
    values.writerow(["tree", "row", "baseline"] + [f"x{i}" for i in range(x.shape[1])])
    rows.writerow([f"x{i}" for i in range(x.shape[1])])
    rows.writerows([[repr(float(value)) for value in row] for row in asked])
    for number, model in enumerate(trees):
        tree = model.tree_
        for node in range(tree.node_count):
            is_leaf = tree.children_left[node] < 0
            nodes.writerow([
                number,
                node,
                -1 if is_leaf else tree.feature[node],
                repr(float(tree.threshold[node])),
                tree.children_left[node],
                tree.children_right[node],
                repr(float(tree.value[node].ravel()[0])),
                repr(float(tree.weighted_n_node_samples[node])),
            ])
        explainer = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
        found = explainer.shap_values(asked)
        baseline = float(np.ravel(explainer.expected_value)[0])
        for row in range(len(asked)):
            values.writerow([number, row, repr(baseline)] + [repr(float(value)) for value in found[row]])
