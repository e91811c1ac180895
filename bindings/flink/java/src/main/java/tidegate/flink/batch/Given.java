package tidegate.flink.batch;

import java.nio.ByteBuffer;

/** Rows that native code has given: it writes the cells of {@link #memory}, and returns the bytes of their texts. */
public final class Given {
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

  public Cells cells() {
    return cells;
  }

  /** The bytes that the texts are among. */
  public byte[] texts() {
    return texts;
  }

  /** The same, to read the lengths and numbers of maps' entries from. */
  public ByteBuffer entries() {
    return entries;
  }
}
