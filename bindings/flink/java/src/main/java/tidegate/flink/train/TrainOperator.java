package tidegate.flink.train;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.operators.StreamOperatorParameters;
import org.apache.flink.table.data.RowData;
import tidegate.flink.batch.Layout;
import tidegate.flink.batch.StatePieces;

/** ML_TRAIN: each row is predicted as it comes, and learned when its label is known. The state is the trainer's snapshot, in pieces. */
class TrainOperator extends BatchedOperator<NativeTrainer> {
  private static final long serialVersionUID = 1L;

  /** How often figures are looked at for those who watch. */
  private static final long FIGURES_NANOS = 1_000_000_000;

  private final String task;
  private transient ListState<byte[]> state;
  private transient Map<String, Double> figures;
  private transient long lookedAt;

  TrainOperator(String task, Layout layout) {
    super(layout, true);
    this.task = task;
  }

  TrainOperator(StreamOperatorParameters<RowData> parameters, String task, Layout layout) {
    super(parameters, layout, true);
    this.task = task;
  }

  @Override
  NativeTrainer open(int capacity) {
    return new NativeTrainer(task);
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    state = context.getOperatorStateStore().getListState(StatePieces.of("model"));
    function = open(0);
    if (context.isRestored()) {
      byte[] saved = StatePieces.join(state.get());
      if (saved.length > 0) {
        function.restore(saved);
      }
    }
  }

  @Override
  public void open() throws Exception {
    super.open();
    figures = new ConcurrentHashMap<>(function.figures());
    MetricGroup group = getMetricGroup().addGroup("tidegate");
    for (String name : List.of(
        "rows_predicted", "rows_learned", "rows_unlabelled", "rows_bad", "state_bytes", "accuracy", "logloss", "mae", "rmse")) {
      group.gauge(name, () -> figures.getOrDefault(name, Double.NaN));
    }
  }

  @Override
  void flushed() {
    long now = System.nanoTime();
    if (now - lookedAt >= FIGURES_NANOS) {
      lookedAt = now;
      figures.putAll(function.figures());
    }
  }

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    state.update(StatePieces.split(function.snapshot()));
  }

  @Override
  public void endInput() throws Exception {
    super.endInput();
    end();
    figures.putAll(function.figures());
  }

  /** All rows have come. */
  void end() throws Exception {
    function.end();
  }
}
