package tidegate.flink.batch;

import org.apache.flink.table.data.StringData;

/** Cells, and the bytes that some of them are a place among. */
public interface Values {
  Cells cells();

  /** A text, which stays as it is when other rows come. */
  StringData text(int column, int row);

  /** Bytes, of which nobody else has this copy. */
  byte[] bytes(int column, int row);
}
