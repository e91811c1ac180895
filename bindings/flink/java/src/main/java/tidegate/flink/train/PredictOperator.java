package tidegate.flink.train;

import org.apache.flink.table.runtime.typeutils.RowDataSerializer;
import tidegate.flink.batch.RowReader;
import tidegate.flink.batch.RowWriter;

/** ML_PREDICT with one version of a model. */
final class PredictOperator extends BatchedOperator<NativePredictor> {
  private static final long serialVersionUID = 1L;

  private final String task;

  PredictOperator(String task, RowReader reader, RowWriter writer, RowDataSerializer serializer) {
    super(reader, writer, serializer, true);
    this.task = task;
  }

  @Override
  NativePredictor open(int capacity) {
    return new NativePredictor(task);
  }
}
