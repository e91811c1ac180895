package tidegate.flink.report;

import java.util.List;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.LogicalType;
import tidegate.flink.batch.Batch;
import tidegate.flink.batch.Given;
import tidegate.flink.batch.RowReader;
import tidegate.flink.batch.RowWriter;
import tidegate.flink.batch.StatePieces;

/** ML_EVALUATE, ML_CONFUSION_MATRIX and ML_ROC_CURVE: all rows in, and at the end the rows of the report. */
public final class ReportOperator extends AbstractStreamOperator<RowData>
    implements OneInputStreamOperator<RowData, RowData>, BoundedOneInput {
  private static final long serialVersionUID = 1L;

  private final String task;
  private final RowReader reader;
  private final RowWriter writer;
  private transient NativeReporter reporter;
  private transient ListState<byte[]> state;
  private transient Batch batch;
  private transient int count;

  /** A report of what {@code task} says; its columns have the types {@code outputs}. */
  public ReportOperator(String task, RowReader reader, List<LogicalType> outputs) {
    this.task = task;
    this.reader = reader;
    this.writer = new RowWriter(outputs);
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    state = context.getOperatorStateStore().getListState(StatePieces.of("report"));
    reporter = new NativeReporter(task);
    if (context.isRestored()) {
      byte[] saved = StatePieces.join(state.get());
      if (saved.length > 0) {
        reporter.restore(saved);
      }
    }
  }

  @Override
  public void open() throws Exception {
    super.open();
    batch = new Batch(reader.columns(), Batch.ROWS);
  }

  @Override
  public void processElement(StreamRecord<RowData> element) {
    reader.read(element.getValue(), batch, count);
    count++;
    if (count == Batch.ROWS) {
      flush();
    }
  }

  private void flush() {
    if (count > 0) {
      reporter.process(batch, count);
      count = 0;
      batch.clear();
    }
  }

  @Override
  public void prepareSnapshotPreBarrier(long checkpointId) {
    flush();
  }

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    state.update(StatePieces.split(reporter.snapshot()));
  }

  @Override
  public void endInput() {
    flush();
    Given report = reporter.finish(writer.columns());
    for (int row = 0; row < report.capacity(); row++) {
      GenericRowData columns = new GenericRowData(writer.columns());
      writer.write(report, row, columns, 0);
      output.collect(new StreamRecord<>(columns));
    }
  }

  @Override
  public void close() throws Exception {
    if (reporter != null) {
      reporter.close();
      reporter = null;
    }
    super.close();
  }
}
