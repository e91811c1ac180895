package tidegate.flink.train;

import tidegate.flink.batch.Layout;

/** ML_PREDICT with one version of a model. */
final class PredictOperator extends BatchedOperator<NativePredictor> {
  private static final long serialVersionUID = 1L;

  private final String task;

  PredictOperator(String task, Layout layout) {
    super(layout, true);
    this.task = task;
  }

  @Override
  NativePredictor open(int capacity) {
    return new NativePredictor(task);
  }
}
