"""scikit-learn: partial_fit, some rows at a time; a row is predicted by what was learned before its batch."""

import itertools

import numpy
from sklearn.linear_model import PassiveAggressiveClassifier, Perceptron, SGDClassifier, SGDRegressor
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier

import prequential

# Rows a batch, and the learner: scikit-learn's defaults, but for the hidden layers, which are ours.
LEARNERS = {
    "gaussian_nb": (100, GaussianNB),
    "multinomial_nb": (100, MultinomialNB),
    "complement_nb": (100, ComplementNB),
    "bernoulli_nb": (100, BernoulliNB),
    "linear_svm": (100, lambda: SGDClassifier(loss="hinge", random_state=1)),
    "perceptron": (100, lambda: Perceptron(random_state=1)),
    "passive_aggressive": (100, lambda: PassiveAggressiveClassifier(random_state=1)),
    "logistic_regression": (100, lambda: SGDClassifier(loss="log_loss", random_state=1)),
    "mlp": (32, lambda: MLPClassifier(hidden_layer_sizes=(64, 32), random_state=1)),
    "linear_regression": (1, lambda: SGDRegressor(random_state=1)),
}


def batches(path, size, classes):
    """Features, and labels as numbers: the target's, or the class's place among the classes."""
    place = {name: at for at, name in enumerate(classes)}.__getitem__ if classes else float
    with open(path) as file:
        next(file)
        while lines := list(itertools.islice(file, size)):
            features, labels = zip(*(line.rstrip().rsplit(",", 1) for line in lines))
            yield numpy.loadtxt(features, delimiter=",", ndmin=2), numpy.array([place(label) for label in labels])


def steps(given):
    size, make = LEARNERS[given.learner]
    model = make()
    options = {"classes": numpy.arange(len(given.classes))} if given.classes else {}
    for at, (x, y) in enumerate(batches(given.file, size, given.classes)):
        # Before anything is learned it says the first class, or 0.
        predicted = model.predict(x) if at > 0 else numpy.zeros(len(y))
        yield len(y), (predicted == y).sum() if given.classes else abs(predicted - y).sum()
        model.partial_fit(x, y, **options)


if __name__ == "__main__":
    given = prequential.arguments(__doc__, LEARNERS)
    prequential.run(steps(given), given)
