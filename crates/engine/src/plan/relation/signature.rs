//! What each function of the FROM clause takes, and what it is for.

use tidegate_sql::call::{Kind, Parameter, Signature};

use super::window;

const INPUT: Parameter =
    Parameter::required("INPUT", Kind::Table, "The rows. `TABLE t PARTITION BY key`: each key has a model of its own.");
const MODEL: Parameter = Parameter::required("MODEL", Kind::Model, "The model.");
const LABEL: Parameter = Parameter::required("LABEL", Kind::Descriptor, "The column that holds the true label.");
const WEIGHT: Parameter =
    Parameter::optional("WEIGHT", Kind::Descriptor, "How much the row counts, a number of at least 0.");
const ARGS: Parameter = Parameter::optional(
    "ARGS",
    Kind::Descriptor,
    "The columns for the model's INPUT, in its order. Left out: the columns of the same names.",
);
const ROWS: Parameter = Parameter::required("INPUT", Kind::Table, "The rows.");
const CONFIG: Parameter =
    Parameter::optional("CONFIG", Kind::Map, "Options; accepted as in Flink, none has an effect here.");

/// The functions that train a model.
pub(crate) const TRAINS: [&str; 3] = ["ML_TRAIN", "ML_DETECT_ANOMALIES", "ML_DETECT_CHANGE"];

/// What each function of the FROM clause takes.
pub static TABLE_FUNCTIONS: &[Signature] = &[
    window::TUMBLE,
    window::HOP,
    window::CUMULATE,
    window::SESSION,
    Signature {
        name: "ML_TRAIN",
        doc: "Predicts every row with the model as it is, then learns it when its label is known (prequential evaluation: Gama et al. 2013, \"On evaluating stream learning algorithms\"). Gives the input's columns and the model's OUTPUT. At the end of the input a version is registered.",
        parameters: &[
            INPUT,
            MODEL,
            Parameter::optional(
                "LABEL",
                Kind::Descriptor,
                "The column that holds the true label. Left out for tasks without labels, which learn every row at once.",
            ),
            ARGS,
            Parameter::optional(
                "LABEL_TIME",
                Kind::Descriptor,
                "When the label is known: the row is learned when the watermark passes it. Left out: at once.",
            ),
            WEIGHT,
            CONFIG,
        ],
    },
    Signature {
        name: "ML_DETECT_ANOMALIES",
        doc: "Scores every row by those before it, then learns it: ML_TRAIN of a model for 'anomaly_detection'. Gives the input's columns and the model's OUTPUT.",
        parameters: &[INPUT, MODEL, ARGS, WEIGHT, CONFIG],
    },
    Signature {
        name: "ML_DETECT_CHANGE",
        doc: "Tells of every row whether a number has changed with it: ML_TRAIN of a model for 'change_detection'. `TABLE t PARTITION BY key` watches each key on its own. Gives the input's columns and the model's OUTPUT.",
        parameters: &[INPUT, MODEL, ARGS, CONFIG],
    },
    Signature {
        name: "ML_PREDICT",
        doc: "Gives the input's columns and what a version of the model predicts.",
        parameters: &[INPUT, MODEL, ARGS, CONFIG],
    },
    Signature {
        name: "ML_EXPLAIN_PREDICT",
        doc: "Predicts every row as ML_PREDICT does, and says how much each input has to do with it: Shapley values of the score of the predicted class, or of the number (Lundberg & Lee 2017). Gives the input's columns, the model's OUTPUT, and then as BigQuery ML `top_feature_attributions`, `baseline_prediction_value`, `prediction_value` and `approximation_error`.",
        parameters: &[
            ROWS,
            MODEL,
            ARGS,
            Parameter::optional(
                "TOP_K",
                Kind::Scalar,
                "Most inputs that are told of a row, those to which most is due. Left out: 5.",
            ),
            CONFIG,
        ],
    },
    Signature {
        name: "ML_EVALUATE",
        doc: "Predicts every row and gives one row of metrics, a column each.",
        parameters: &[
            INPUT,
            MODEL,
            LABEL,
            ARGS,
            Parameter::optional("TASK", Kind::Scalar, "'classification' or 'regression'. Left out: the model's."),
            CONFIG,
        ],
    },
    Signature {
        name: "ML_CONFUSION_MATRIX",
        doc: "Predicts every row and counts how often each class was taken for which: a row for each pair that occurs.",
        parameters: &[INPUT, MODEL, LABEL, ARGS],
    },
    Signature {
        name: "ML_ROC_CURVE",
        doc: "Predicts every row and gives the points of the ROC curve: the true and false positive rate at each threshold.",
        parameters: &[INPUT, MODEL, LABEL, ARGS],
    },
    Signature {
        name: "ML_RELIABILITY",
        doc: "Whether probabilities are what they say: predicts every row, and gives of rows of about the same probability how many there are, their mean probability, and the share of them that is positive, with its 95 % interval (Wilson 1927).",
        parameters: &[
            INPUT,
            MODEL,
            LABEL,
            ARGS,
            Parameter::optional(
                "BINS",
                Kind::Scalar,
                "How many equal bins there are from 0 to 1, from 1 to 1000; 10 if left out.",
            ),
        ],
    },
    Signature {
        name: "ML_BEST_THRESHOLD",
        doc: "Predicts every row and gives the threshold of the probability at which mistakes cost least on these rows, what they cost a row there, and the counts (Elkan 2001). Infinity where no row is to be called positive.",
        parameters: &[
            INPUT,
            MODEL,
            LABEL,
            ARGS,
            Parameter::optional(
                "FALSE_POSITIVE_COST",
                Kind::Scalar,
                "What a negative that is called positive costs; 1 if left out.",
            ),
            Parameter::optional(
                "FALSE_NEGATIVE_COST",
                Kind::Scalar,
                "What a positive that is called negative costs; 1 if left out.",
            ),
        ],
    },
    Signature {
        name: "ML_WEIGHTS",
        doc: "The weights of a model whose learner has some: a row for each class and processed input.",
        parameters: &[MODEL],
    },
    Signature {
        name: "ML_PERMUTATION_IMPORTANCE",
        doc: "By how much predictions get worse when the values of one input are given to other rows (Breiman 2001): a row for each input, with the mean over some random orders, their standard deviation, and the loss of rows as they are. Rows are shuffled within blocks of 10,000.",
        parameters: &[
            ROWS,
            MODEL,
            LABEL,
            ARGS,
            Parameter::optional(
                "METRIC",
                Kind::Scalar,
                "The loss: 'log_loss' or 'error_rate' of classes, 'mse' or 'mae' of numbers. Left out: the first of them.",
            ),
            Parameter::optional(
                "REPEATS",
                Kind::Scalar,
                "How many random orders of each input, 1 to 1000. Left out: 5.",
            ),
            Parameter::optional("SEED", Kind::Scalar, "What orders are drawn by. Left out: 1."),
        ],
    },
    Signature {
        name: "ML_FEATURE_IMPORTANCE",
        doc: "How much a model of trees rests on each input: as BigQuery ML `importance_weight`, how many splits are by it, and their mean gain and cover, `importance_gain` and `importance_cover`.",
        parameters: &[MODEL],
    },
    Signature {
        name: "ML_TRIAL_INFO",
        doc: "The trials of a model that is tuned: a row each, with what it was measured to be and what became of it.",
        parameters: &[MODEL],
    },
    Signature {
        name: "ML_FEATURE_SCORES",
        doc: "How much each column tells of a label, without a model: a row a column with its score, its p-value where the method has a test, and its rank.",
        parameters: &[
            Parameter::required("INPUT", Kind::Table, "The rows."),
            Parameter::optional(
                "LABEL",
                Kind::Descriptor,
                "The column that is to be told. Left out for 'variance', which looks at no label.",
            ),
            Parameter::optional("ARGS", Kind::Descriptor, "The columns that are scored. Left out: all but the label."),
            Parameter::required(
                "METHOD",
                Kind::Scalar,
                "How they are scored: 'anova_f', 'chi_square', 'correlation', 'f_regression', 'l1', 'mutual_info' or 'variance'.",
            ),
            Parameter::optional(
                "TASK",
                Kind::Scalar,
                "'classification' or 'regression'. Left out: as the label's type says; an integer is a class where the method takes classes.",
            ),
            Parameter::optional("BINS", Kind::Scalar, "Bins of 'mutual_info', from 2 to 64. Left out: 16."),
        ],
    },
    Signature {
        name: "ML_VALIDATE_DATA_DRIFT",
        doc: "How far the rows of one table are from those of another: a row for each column of numbers, BOOLEAN or STRING that both have, with its distance, and whether this is above a threshold. Numbers that are NaN or infinite count as missing.",
        parameters: &[
            Parameter::required("BASE", Kind::Table, "The rows to compare with, such as those that a model learned."),
            Parameter::required("STUDY", Kind::Table, "The rows that may have drifted."),
            Parameter::optional("ARGS", Kind::Descriptor, "The columns. Left out: all that both tables have."),
            Parameter::optional(
                "NUMERIC_METRIC",
                Kind::Scalar,
                "The distance of numbers: 'jensen_shannon', 'kolmogorov_smirnov', 'psi' or 'wasserstein'. Left out: 'jensen_shannon'.",
            ),
            Parameter::optional(
                "CATEGORICAL_METRIC",
                Kind::Scalar,
                "The distance of BOOLEAN and STRING: 'chi_square', 'jensen_shannon', 'l_infinity' or 'psi'. Left out: 'l_infinity'.",
            ),
            Parameter::optional("NUMERIC_THRESHOLD", Kind::Scalar, "What a distance of numbers may be. Left out: 0.3."),
            Parameter::optional(
                "CATEGORICAL_THRESHOLD",
                Kind::Scalar,
                "What a distance of BOOLEAN and STRING may be. Left out: 0.3.",
            ),
            Parameter::optional("THRESHOLDS", Kind::Map, "Of single columns: `MAP['amount', '0.1']`."),
        ],
    },
    Signature {
        name: "ML_DESCRIBE_DATA",
        doc: "What the columns of a table hold: a row for each of numbers, BOOLEAN or STRING. Numbers that are NaN or infinite count as missing.",
        parameters: &[
            Parameter::required("INPUT", Kind::Table, "The rows."),
            Parameter::optional("ARGS", Kind::Descriptor, "The columns. Left out: all of numbers, BOOLEAN or STRING."),
        ],
    },
];
