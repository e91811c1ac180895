package tidegate.flink.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.operators.StreamOperatorParameters;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.RowDataSerializer;
import tidegate.flink.batch.RowReader;
import tidegate.flink.batch.RowWriter;

/** ML_TRAIN: each row is predicted as it comes, and learned when its label is known. The state is the trainer's snapshot, in pieces. */
class TrainOperator extends BatchedOperator<NativeTrainer> {
  private static final long serialVersionUID = 1L;

  /** Bytes of a piece of state: each is one record for Flink. */
  private static final int PIECE_BYTES = 4 << 20;

  /** How often figures are looked at for those who watch. */
  private static final long FIGURES_NANOS = 1_000_000_000;

  private final String task;
  private transient ListState<byte[]> state;
  private transient Map<String, Double> figures;
  private transient long lookedAt;

  TrainOperator(String task, RowReader reader, RowWriter writer, RowDataSerializer serializer) {
    super(reader, writer, serializer, true);
    this.task = task;
  }

  TrainOperator(
      StreamOperatorParameters<RowData> parameters, String task, RowReader reader, RowWriter writer, RowDataSerializer serializer) {
    super(parameters, reader, writer, serializer, true);
    this.task = task;
  }

  @Override
  NativeTrainer open(int capacity) {
    return new NativeTrainer(task);
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    state = context.getOperatorStateStore().getListState(
        new ListStateDescriptor<>("model", PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO));
    function = open(0);
    if (context.isRestored()) {
      List<byte[]> pieces = new ArrayList<>();
      state.get().forEach(pieces::add);
      if (!pieces.isEmpty()) {
        function.restore(join(pieces));
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
    byte[] bytes = function.snapshot();
    List<byte[]> pieces = new ArrayList<>();
    for (int from = 0; from < bytes.length; from += PIECE_BYTES) {
      pieces.add(Arrays.copyOfRange(bytes, from, Math.min(bytes.length, from + PIECE_BYTES)));
    }
    state.update(pieces);
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

  private static byte[] join(List<byte[]> pieces) {
    byte[] whole = new byte[pieces.stream().mapToInt(piece -> piece.length).reduce(0, Math::addExact)];
    int at = 0;
    for (byte[] piece : pieces) {
      System.arraycopy(piece, 0, whole, at, piece.length);
      at += piece.length;
    }
    return whole;
  }
}
