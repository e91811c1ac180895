package tidegate.flink.batch;

import java.nio.ByteBuffer;
import org.apache.flink.table.data.StringData;

/** Rows on their way to native code: cells, and beside them the bytes of all texts. Native code reads it while it is called. */
public final class Batch implements Values {
  /**
   * Rows of a batch: a call of native code costs some microseconds. With a power of two, all columns of a row would lie in the same few
   * lines of a processor's cache.
   */
  public static final int ROWS = 1000;

  private static final int TEXT_BYTES = 4096;

  private final int columns;
  private final int capacity;
  private final Cells cells;
  private ByteBuffer texts = Cells.direct(TEXT_BYTES);

  /** Room for {@code capacity} rows. */
  public Batch(int columns, int capacity) {
    this.columns = columns;
    this.capacity = capacity;
    this.cells = new Cells(columns, capacity);
  }

  /** Begins anew, before the first row is written again. */
  public void clear() {
    cells.clear();
    texts.clear();
  }

  public int columns() {
    return columns;
  }

  public int capacity() {
    return capacity;
  }

  @Override
  public Cells cells() {
    return cells;
  }

  /** For native code. */
  public ByteBuffer memory() {
    return cells.memory;
  }

  /** For native code: the bytes up to {@link #textBytes} count. */
  public ByteBuffer texts() {
    return texts;
  }

  public int textBytes() {
    return texts.position();
  }

  /** Writes a text as UTF-8, or bytes. */
  public void setText(int column, int row, byte[] utf8) {
    setText(column, row, utf8, 0, utf8.length);
  }

  /** Writes a text that is so many of these bytes. */
  public void setText(int column, int row, byte[] utf8, int from, int bytes) {
    if (texts.remaining() < bytes) {
      ByteBuffer larger = Cells.direct(Math.max(Math.addExact(texts.position(), bytes), Math.multiplyExact(texts.capacity(), 2)));
      larger.put(texts.flip());
      texts = larger;
    }
    cells.setText(column, row, texts.position(), bytes);
    texts.put(utf8, from, bytes);
  }

  @Override
  public StringData text(int column, int row) {
    return StringData.fromBytes(bytes(column, row));
  }

  @Override
  public byte[] bytes(int column, int row) {
    byte[] copy = new byte[cells.textBytes(column, row)];
    texts.get(cells.textFrom(column, row), copy);
    return copy;
  }
}
