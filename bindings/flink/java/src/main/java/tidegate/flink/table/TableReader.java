package tidegate.flink.table;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.metrics.Counter;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import tidegate.flink.batch.RowWriter;

/** Gives a table's rows on, those of a batch together; so a checkpoint is always between two batches. */
final class TableReader implements SourceReader<RowData, TableSplit> {
  private final Scan scan;
  private final SourceReaderContext context;
  private final RowWriter writer;
  private final Counter bad;
  private final CompletableFuture<Void> told = new CompletableFuture<>();

  /** Where to go on; null if there is nothing to read, yet or any more. */
  private byte[] place;

  private ReadAhead ahead;

  TableReader(Scan scan, SourceReaderContext context) {
    this.scan = scan;
    this.context = context;
    this.writer = new RowWriter(scan.types());
    this.bad = context.metricGroup().getNumRecordsInErrorsCounter();
  }

  @Override
  public void start() {
    // One that goes on after a restart has its split already.
    if (place == null) {
      context.sendSplitRequest();
    }
  }

  @Override
  public void addSplits(List<TableSplit> splits) {
    place = splits.get(0).place();
    ahead = new ReadAhead(scan, place);
    told.complete(null);
  }

  @Override
  public void notifyNoMoreSplits() {
    told.complete(null);
  }

  @Override
  public InputStatus pollNext(ReaderOutput<RowData> output) throws Exception {
    if (place == null) {
      return told.isDone() ? InputStatus.END_OF_INPUT : InputStatus.NOTHING_AVAILABLE;
    }
    ReadAhead.Rows rows = ahead.poll();
    if (rows == null) {
      return InputStatus.NOTHING_AVAILABLE;
    }
    bad.inc(rows.bad);
    if (rows.count < 0) {
      place = null;
      return InputStatus.END_OF_INPUT;
    }
    for (int row = 0; row < rows.count; row++) {
      GenericRowData next = new GenericRowData(writer.columns());
      writer.write(rows.given, row, next, 0);
      output.collect(next);
    }
    place = rows.place;
    ahead.giveBack(rows);
    return InputStatus.MORE_AVAILABLE;
  }

  @Override
  public List<TableSplit> snapshotState(long checkpoint) {
    return place == null ? List.of() : List.of(new TableSplit(place));
  }

  @Override
  public CompletableFuture<Void> isAvailable() {
    return place == null ? told : ahead.available();
  }

  @Override
  public void close() throws Exception {
    if (ahead != null) {
      ahead.close();
    }
  }
}
