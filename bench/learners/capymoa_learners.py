"""CapyMOA: its evaluation inside the virtual machine of Java, over MOA's own format (ARFF), in one thread."""

from capymoa import classifier, regressor
from capymoa.evaluation import prequential_evaluation
from capymoa.stream import ARFFStream

import prequential

# Left to CapyMOA's defaults, but for the number of models (10; 20 boosting steps), neighbours (3) and rows of the window (1000).
LEARNERS = {
    "hoeffding_tree": classifier.HoeffdingTree,
    "hoeffding_adaptive_tree": classifier.HoeffdingAdaptiveTree,
    "efdt": classifier.EFDT,
    "adaptive_random_forest": lambda schema: classifier.AdaptiveRandomForestClassifier(schema, ensemble_size=10),
    "streaming_random_patches": lambda schema: classifier.StreamingRandomPatches(schema, ensemble_size=10),
    "leveraging_bagging": lambda schema: classifier.LeveragingBagging(schema, ensemble_size=10),
    "online_bagging": lambda schema: classifier.OnlineBagging(schema, ensemble_size=10),
    "online_boosting": lambda schema: classifier.OzaBoost(schema, boosting_iterations=10),
    "streaming_gradient_boosting": lambda schema: classifier.StreamingGradientBoostedTrees(
        schema, boosting_iterations=20
    ),
    "gaussian_nb": classifier.NaiveBayes,
    "knn": lambda schema: classifier.KNN(schema, k=3, window_size=1000),
    "majority_class": classifier.MajorityClass,
    "no_change": classifier.NoChange,
    "hoeffding_tree_regressor": regressor.FIMTDD,
    "fimt_dd": regressor.FIMTDD,
    "adaptive_random_forest_regressor": lambda schema: regressor.AdaptiveRandomForestRegressor(
        schema, ensemble_size=10
    ),
    "linear_regression": regressor.SGDRegressor,
    "mean": regressor.TargetMean,
}

# Rows between two looks at the clock.
STEP = 500


def steps(given):
    stream = ARFFStream(given.file)
    learner = LEARNERS[given.learner](stream.get_schema())
    while stream.has_more_instances():
        done = prequential_evaluation(
            stream, learner, max_instances=STEP, window_size=STEP, restart_stream=False
        ).cumulative
        rows = int(done.metrics_dict()["instances"])
        yield rows, rows * (done.accuracy() / 100 if given.classes else done.mae())


if __name__ == "__main__":
    given = prequential.arguments(__doc__, LEARNERS)
    prequential.run(steps(given), given)
