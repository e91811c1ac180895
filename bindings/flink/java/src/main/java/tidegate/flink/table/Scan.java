package tidegate.flink.table;

import java.io.Serializable;
import java.util.Arrays;
import java.util.List;
import org.apache.flink.table.types.logical.LogicalType;
import tidegate.flink.batch.Batch;

/** What is read of a table: some of its columns, and no more rows than {@code limit} unless that is below 0. */
record Scan(Declaration declaration, int[] projection, long limit) implements Serializable {
  private static final long serialVersionUID = 1L;

  /** The most rows that are read at once. They go on together, so that a checkpoint may wait for so many. */
  static final int BATCH_ROWS = Batch.ROWS;

  /** The types of the columns. */
  List<LogicalType> types() {
    return Arrays.stream(projection).mapToObj(declaration.types()::get).toList();
  }
}
