package tidegate.flink.batch;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.apache.flink.core.memory.MemorySegment;

/**
 * Rows in memory that Java and native code both see: for each column a byte a row, 1 where there is a value, then for each column 8 bytes
 * a row, in the machine's order.
 */
public final class Cells {
  final ByteBuffer memory;
  private final int columns;
  private final int capacity;

  /** Whether a value is missing somewhere: where none is, a byte for each needs not be written. */
  private boolean anyNull;

  Cells(int columns, int capacity) {
    this.columns = columns;
    this.capacity = capacity;
    // An empty buffer would have no address.
    memory = direct(Math.max(1, Math.multiplyExact(Math.multiplyExact(columns, capacity), 9)));
    fill();
  }

  /** Every cell has a value, until one is set to have none. */
  private void fill() {
    for (int at = 0; at < columns * capacity; at++) {
      memory.put(at, (byte) 1);
    }
  }

  /** Begins anew, after what was set to have no value. */
  void clear() {
    if (anyNull) {
      fill();
      anyNull = false;
    }
  }

  static ByteBuffer direct(int bytes) {
    return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
  }

  private int cell(int column, int row) {
    return columns * capacity + 8 * (column * capacity + row);
  }

  /** Until the cells begin anew. */
  public void setNull(int column, int row) {
    memory.put(column * capacity + row, (byte) 0);
    anyNull = true;
  }

  public void setNumber(int column, int row, double value) {
    memory.putDouble(cell(column, row), value);
  }

  public void setInteger(int column, int row, long value) {
    memory.putLong(cell(column, row), value);
  }

  /** So many columns of a row, from 8 bytes each that stand side by side. */
  void setAll(int column, int row, int count, MemorySegment from, int at) {
    int cell = cell(column, row);
    for (int copied = 0; copied < count; copied++) {
      memory.putLong(cell, from.getLong(at + 8 * copied));
      cell += 8 * capacity;
    }
  }

  /** A text is where it begins among the bytes of all texts, and how many bytes it has. */
  public void setText(int column, int row, int from, int bytes) {
    setInteger(column, row, (long) bytes << 32 | from);
  }

  public boolean isNull(int column, int row) {
    return memory.get(column * capacity + row) == 0;
  }

  public double number(int column, int row) {
    return memory.getDouble(cell(column, row));
  }

  public long integer(int column, int row) {
    return memory.getLong(cell(column, row));
  }

  public int textFrom(int column, int row) {
    return (int) integer(column, row);
  }

  public int textBytes(int column, int row) {
    return (int) (integer(column, row) >>> 32);
  }
}
