package tidegate.flink.train;

import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.operators.ProcessingTimeService.ProcessingTimeCallback;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.operators.StreamOperatorParameters;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.utils.JoinedRowData;
import org.apache.flink.table.runtime.typeutils.RowDataSerializer;
import tidegate.flink.Native;
import tidegate.flink.batch.Batch;
import tidegate.flink.batch.Given;
import tidegate.flink.batch.RowReader;
import tidegate.flink.batch.RowWriter;

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

  /** Rows of a batch: a call costs some microseconds. */
  private static final int CAPACITY = 1024;

  /** How long a row waits for others. */
  private static final long PATIENCE_MS = 10;

  private final RowReader reader;
  private final RowWriter writer;
  private final RowDataSerializer serializer;

  /** Whether the last of what is given for a row says if the row was taken. */
  private final boolean tellsTaken;

  protected transient F function;
  private transient Batch batch;
  private transient Given given;
  private transient List<RowData> rows;
  private transient StreamRecord<RowData> record;
  private transient boolean reuses;
  private transient boolean waits;

  BatchedOperator(RowReader reader, RowWriter writer, RowDataSerializer serializer, boolean tellsTaken) {
    this.reader = reader;
    this.writer = writer;
    this.serializer = serializer;
    this.tellsTaken = tellsTaken;
  }

  BatchedOperator(
      StreamOperatorParameters<RowData> parameters,
      RowReader reader,
      RowWriter writer,
      RowDataSerializer serializer,
      boolean tellsTaken) {
    super(parameters);
    this.reader = reader;
    this.writer = writer;
    this.serializer = serializer;
    this.tellsTaken = tellsTaken;
  }

  /** What native code is given the rows to. */
  abstract F open(int capacity) throws Exception;

  @Override
  public void open() throws Exception {
    super.open();
    if (function == null) {
      function = open(CAPACITY);
    }
    batch = new Batch(reader.columns(), CAPACITY);
    given = new Given(writer.columns() + (tellsTaken ? 1 : 0), CAPACITY);
    rows = new ArrayList<>(CAPACITY);
    record = new StreamRecord<>(null);
    reuses = getExecutionConfig().isObjectReuseEnabled();
  }

  @Override
  public void processElement(StreamRecord<RowData> element) throws Exception {
    RowData row = element.getValue();
    reader.read(row, batch, rows.size());
    rows.add(reuses ? serializer.copy(row) : row);
    if (rows.size() == CAPACITY) {
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
    if (rows.isEmpty()) {
      return;
    }
    given.take(function.process(batch, given, rows.size()));
    for (int row = 0; row < rows.size(); row++) {
      if (tellsTaken && given.cells().integer(writer.columns(), row) == 0) {
        continue;
      }
      RowData from = rows.get(row);
      GenericRowData outputs = new GenericRowData(writer.columns());
      writer.write(given, row, outputs, 0);
      output.collect(record.replace(new JoinedRowData(from.getRowKind(), from, outputs)));
    }
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
