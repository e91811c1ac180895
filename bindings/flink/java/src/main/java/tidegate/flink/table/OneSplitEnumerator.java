package tidegate.flink.table;

import java.util.List;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;

/** Gives the one split to the reader that asks first: a table is read by one task. */
final class OneSplitEnumerator implements SplitEnumerator<TableSplit, TableSplit> {
  private final SplitEnumeratorContext<TableSplit> context;

  /** The split, or {@link TableSplit#GIVEN}. */
  private TableSplit kept;

  OneSplitEnumerator(SplitEnumeratorContext<TableSplit> context, TableSplit kept) {
    this.context = context;
    this.kept = kept;
  }

  @Override
  public void start() {}

  @Override
  public void handleSplitRequest(int subtask, String host) {
    // A reader that fails between asking and being answered asks again.
    if (!context.registeredReaders().containsKey(subtask)) {
      return;
    }
    if (!kept.isGiven()) {
      context.assignSplit(kept, subtask);
      kept = TableSplit.GIVEN;
    }
    context.signalNoMoreSplits(subtask);
  }

  @Override
  public void addSplitsBack(List<TableSplit> splits, int subtask) {
    for (TableSplit split : splits) {
      kept = split;
    }
  }

  @Override
  public void addReader(int subtask) {}

  @Override
  public TableSplit snapshotState(long checkpoint) {
    return kept;
  }

  @Override
  public void close() {}
}
