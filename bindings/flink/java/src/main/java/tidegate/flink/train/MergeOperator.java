package tidegate.flink.train;

import java.util.TreeMap;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.table.data.RowData;
import tidegate.flink.TidegateException;

/**
 * Puts together what all replicas have learned by the end, and registers the version. It gives no rows.
 *
 * <p>What replicas have learned comes in pieces as rows do, so that checkpoints have each of them once.
 */
final class MergeOperator extends AbstractStreamOperator<RowData>
    implements OneInputStreamOperator<Tuple5<Integer, Long, Integer, Integer, byte[]>, RowData>, BoundedOneInput {
  private static final long serialVersionUID = 1L;

  private final String task;
  private final int replicas;
  private transient ListState<Tuple5<Integer, Long, Integer, Integer, byte[]>> pieces;

  MergeOperator(String task, int replicas) {
    this.task = task;
    this.replicas = replicas;
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    pieces = context.getOperatorStateStore().getListState(new ListStateDescriptor<>("learned", ReplicaOperator.PIECE));
  }

  @Override
  public void processElement(StreamRecord<Tuple5<Integer, Long, Integer, Integer, byte[]>> element) throws Exception {
    pieces.add(element.getValue());
  }

  @Override
  public void endInput() throws Exception {
    TreeMap<Integer, Message.Parts> parts = new TreeMap<>();
    TreeMap<Integer, byte[]> learned = new TreeMap<>();
    TreeMap<Integer, Long> rounds = new TreeMap<>();
    for (Tuple5<Integer, Long, Integer, Integer, byte[]> piece : pieces.get()) {
      byte[] whole = parts.computeIfAbsent(piece.f0, whose -> new Message.Parts()).add(piece.f2, piece.f3, piece.f4);
      rounds.put(piece.f0, piece.f1);
      if (whole != null) {
        learned.put(piece.f0, whole);
      }
    }
    byte[] ofAll = learned.remove(ReplicaOperator.OF_ALL);
    if (learned.size() != replicas || rounds.values().stream().distinct().count() > 1) {
      throw new TidegateException(String.format(
          "%d of %d replicas have told what they learned, from the merges %s: expected all of them, from one", learned.size(), replicas, rounds));
    }
    try (NativeMerger merger = new NativeMerger(task)) {
      if (ofAll != null) {
        merger.restore(ofAll);
      }
      merger.finish(learned.values().toArray(byte[][]::new));
    }
    pieces.clear();
  }
}
