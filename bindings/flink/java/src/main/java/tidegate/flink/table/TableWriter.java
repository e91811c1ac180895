package tidegate.flink.table;

import java.util.Collection;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.flink.api.connector.sink2.CommittingSinkWriter;
import org.apache.flink.api.connector.sink2.StatefulSinkWriter;
import org.apache.flink.table.data.RowData;
import tidegate.flink.batch.Batch;
import tidegate.flink.batch.Form;
import tidegate.flink.batch.RowReader;

/** Writes rows into files that nobody sees yet. */
final class TableWriter implements StatefulSinkWriter<RowData, HandedOver>, CommittingSinkWriter<RowData, HandedOver> {
  private final RowReader reader;
  private final Batch batch;

  /** Null when it has ended. */
  private NativeWriting writing;

  private HandedOver state;
  private boolean last;
  private int rows;

  TableWriter(Declaration declaration, boolean overwrite, boolean atEnd, HandedOver state) {
    int columns = declaration.columns().size();
    reader =
        new RowReader(IntStream.range(0, columns).toArray(), declaration.types(), declaration.types().stream().map(Form::of).toList());
    batch = new Batch(columns, Batch.ROWS);
    this.state = state;
    // After the last row there is nothing to go on with: its files may be visible already.
    if (!state.ended()) {
      writing = new NativeWriting(declaration, state.job(), overwrite, atEnd, state.bytes());
    }
  }

  @Override
  public void write(RowData row, Context context) {
    if (rows == Batch.ROWS) {
      flush();
    }
    reader.read(row, batch, rows);
    rows++;
  }

  @Override
  public void flush(boolean endOfInput) {
    flush();
    last |= endOfInput;
  }

  private void flush() {
    if (rows > 0) {
      if (writing == null) {
        throw new IllegalStateException("there are rows after the last one");
      }
      writing.write(batch, rows);
    }
    batch.clear();
    rows = 0;
  }

  /** Follows each flush. */
  @Override
  public Collection<HandedOver> prepareCommit() {
    if (writing == null) {
      return List.of();
    }
    byte[] commit = writing.handOver(last);
    state = new HandedOver(state.job(), last, writing.restore());
    if (last) {
      close();
    }
    return commit == null ? List.of() : List.of(new HandedOver(state.job(), last, commit));
  }

  @Override
  public List<HandedOver> snapshotState(long checkpoint) {
    return List.of(state);
  }

  @Override
  public void close() {
    if (writing != null) {
      writing.close();
      writing = null;
    }
  }
}
