package tidegate.flink.batch;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.flink.table.data.GenericMapData;
import org.apache.flink.table.data.StringData;

/** Rows that native code has given: it writes the cells of {@link #memory}, and returns the bytes of their texts. */
public final class Given implements Values {
  private final Cells cells;
  private final int capacity;
  private byte[] texts = new byte[0];
  private ByteBuffer entries = ByteBuffer.wrap(texts);

  /** Room for {@code capacity} rows. */
  public Given(int columns, int capacity) {
    this.capacity = capacity;
    this.cells = new Cells(columns, capacity);
  }

  /** For native code. */
  public ByteBuffer memory() {
    return cells.memory;
  }

  public int capacity() {
    return capacity;
  }

  /** What native code has returned. */
  public void take(byte[] texts) {
    this.texts = texts;
    this.entries = ByteBuffer.wrap(texts).order(cells.memory.order());
  }

  @Override
  public Cells cells() {
    return cells;
  }

  @Override
  public StringData text(int column, int row) {
    // They stay: the next call of native code gives others.
    return StringData.fromBytes(texts, cells.textFrom(column, row), cells.textBytes(column, row));
  }

  @Override
  public byte[] bytes(int column, int row) {
    int at = cells.textFrom(column, row);
    return Arrays.copyOfRange(texts, at, at + cells.textBytes(column, row));
  }

  /** A map from texts to numbers. */
  public GenericMapData map(int column, int row) {
    Map<StringData, Double> map = new LinkedHashMap<>();
    int at = cells.textFrom(column, row);
    int end = at + cells.textBytes(column, row);
    while (at < end) {
      int length = entries.getInt(at);
      int bytes = length & Integer.MAX_VALUE;
      // The sign of the length says that there is no number.
      map.put(StringData.fromBytes(texts, at + 4, bytes), length < 0 ? null : entries.getDouble(at + 4 + bytes));
      at += 12 + bytes;
    }
    return new GenericMapData(map);
  }
}
