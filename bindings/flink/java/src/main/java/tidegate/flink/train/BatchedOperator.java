package tidegate.flink.train;

import org.apache.flink.api.common.operators.ProcessingTimeService.ProcessingTimeCallback;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.operators.StreamOperatorParameters;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.table.data.RowData;
import tidegate.flink.Native;
import tidegate.flink.batch.Batch;
import tidegate.flink.batch.Given;
import tidegate.flink.batch.Layout;
import tidegate.flink.batch.RowsOfBatch;

/**
 * Gives rows to native code a batch at a time, and appends what it gives to them:
 *
 * <pre>
 * row ──► batch ──(full, or a watermark, a checkpoint, the end, or {@value #PATIENCE_MS} ms)──► native code ──► row and outputs
 * </pre>
 *
 * Rows keep their order. No row is in a batch while a checkpoint is taken.
 */
abstract class BatchedOperator<F extends BatchFunction> extends AbstractStreamOperator<RowData>
    implements OneInputStreamOperator<RowData, RowData>, BoundedOneInput {
  private static final long serialVersionUID = 1L;

  /** How long a row waits for others. */
  private static final long PATIENCE_MS = 10;

  private final Layout layout;

  /** Whether the last of what is given for a row says if the row was taken. */
  private final boolean tellsTaken;

  protected transient F function;
  private transient Batch batch;
  private transient Given given;
  private transient RowsOfBatch rows;
  private transient int count;
  private transient StreamRecord<RowData> record;
  private transient boolean waits;

  BatchedOperator(Layout layout, boolean tellsTaken) {
    this.layout = layout;
    this.tellsTaken = tellsTaken;
  }

  BatchedOperator(StreamOperatorParameters<RowData> parameters, Layout layout, boolean tellsTaken) {
    super(parameters);
    this.layout = layout;
    this.tellsTaken = tellsTaken;
  }

  /** What native code is given the rows to. */
  abstract F open(int capacity) throws Exception;

  @Override
  public void open() throws Exception {
    super.open();
    if (function == null) {
      function = open(Batch.ROWS);
    }
    batch = new Batch(layout.reader().columns(), Batch.ROWS);
    given = new Given(layout.outputs().size() + (tellsTaken ? 1 : 0), Batch.ROWS);
    rows = new RowsOfBatch(layout, batch, given);
    record = new StreamRecord<>(null);
  }

  @Override
  public void processElement(StreamRecord<RowData> element) throws Exception {
    RowData row = element.getValue();
    layout.reader().read(row, batch, count);
    rows.keep(row, count);
    count++;
    if (count == Batch.ROWS) {
      flush();
    } else if (!waits) {
      waits = true;
      long now = getProcessingTimeService().getCurrentProcessingTime();
      getProcessingTimeService().registerTimer(now + PATIENCE_MS, (ProcessingTimeCallback) time -> {
        waits = false;
        flush();
      });
    }
  }

  /** Gives the rows of the batch to native code, and sends them on. */
  protected final void flush() throws Exception {
    if (count == 0) {
      return;
    }
    given.take(function.process(batch, given, count));
    for (int row = 0; row < count; row++) {
      if (!tellsTaken || given.cells().integer(layout.outputs().size(), row) != 0) {
        output.collect(record.replace(rows.at(row)));
      }
    }
    count = 0;
    rows.clear();
    batch.clear();
    flushed();
  }

  /** A batch has gone. */
  void flushed() {}

  @Override
  public void processWatermark(Watermark mark) throws Exception {
    flush();
    super.processWatermark(mark);
  }

  @Override
  public void processWatermarkStatus(WatermarkStatus status) throws Exception {
    flush();
    super.processWatermarkStatus(status);
  }

  @Override
  public void prepareSnapshotPreBarrier(long checkpointId) throws Exception {
    flush();
  }

  @Override
  public void endInput() throws Exception {
    flush();
  }

  @Override
  public void close() throws Exception {
    if (function != null) {
      function.close();
      function = null;
      LOG.info("{} native values are held by this job here", Native.owned());
    }
    super.close();
  }
}
