"""River: a dictionary a row, one row at a time, from the text of the file."""

from river import ensemble, facto, forest, linear_model, naive_bayes, neighbors, tree

import prequential

# Left to River's defaults, but for the number of models (10), neighbours (3) and rows of the window (1000).
LEARNERS = {
    "hoeffding_tree": lambda _: tree.HoeffdingTreeClassifier(),
    "hoeffding_adaptive_tree": lambda _: tree.HoeffdingAdaptiveTreeClassifier(seed=1),
    "efdt": lambda _: tree.ExtremelyFastDecisionTreeClassifier(),
    "adaptive_random_forest": lambda _: forest.ARFClassifier(n_models=10, seed=1),
    "streaming_random_patches": lambda _: ensemble.SRPClassifier(n_models=10, seed=1),
    "leveraging_bagging": lambda _: ensemble.LeveragingBaggingClassifier(hoeffding_tree(), n_models=10, seed=1),
    "online_bagging": lambda _: ensemble.BaggingClassifier(hoeffding_tree(), n_models=10, seed=1),
    "online_boosting": lambda _: ensemble.AdaBoostClassifier(hoeffding_tree(), n_models=10, seed=1),
    "gaussian_nb": lambda _: naive_bayes.GaussianNB(),
    "multinomial_nb": lambda _: naive_bayes.MultinomialNB(),
    "complement_nb": lambda _: naive_bayes.ComplementNB(),
    "bernoulli_nb": lambda _: naive_bayes.BernoulliNB(),
    "knn": lambda _: neighbors.KNNClassifier(3, engine=neighbors.LazySearch(1000)),
    "logistic_regression": lambda classes: logistic_regression(len(classes)),
    "perceptron": lambda _: linear_model.Perceptron(),
    "passive_aggressive": lambda _: linear_model.PAClassifier(),
    "factorization_machine": lambda _: facto.FMClassifier(seed=1),
    "hoeffding_tree_regressor": lambda _: tree.HoeffdingTreeRegressor(),
    "adaptive_random_forest_regressor": lambda _: forest.ARFRegressor(n_models=10, seed=1),
    "linear_regression": lambda _: linear_model.LinearRegression(),
}


def hoeffding_tree():
    return tree.HoeffdingTreeClassifier()


def logistic_regression(classes):
    return linear_model.LogisticRegression() if classes == 2 else linear_model.SoftmaxRegression()


def label_of(classes):
    """How a label is read: a number, a class, or, as River's learners for two classes want it, a truth value."""
    if classes is None:
        return float
    return classes[1].__eq__ if len(classes) == 2 else str


def steps(given):
    model, label = LEARNERS[given.learner](given.classes), label_of(given.classes)
    for x, text in prequential.rows(given.file):
        y = label(text)
        predicted = model.predict_one(x)
        yield 1, predicted == y if given.classes else abs(predicted - y)
        model.learn_one(x, y)


if __name__ == "__main__":
    given = prequential.arguments(__doc__, LEARNERS)
    prequential.run(steps(given), given)
