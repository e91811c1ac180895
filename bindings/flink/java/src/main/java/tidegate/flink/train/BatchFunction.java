package tidegate.flink.train;

import tidegate.flink.batch.Batch;
import tidegate.flink.batch.Given;

/** What native code makes of rows, a batch at a time. */
interface BatchFunction extends AutoCloseable {
  /** Takes the first {@code rows} rows, writes a row for each, and returns the bytes of their texts. */
  byte[] process(Batch input, Given output, int rows);

  @Override
  void close();
}
