package tidegate.flink.metric;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import tidegate.flink.batch.Batch;

/**
 * What a metric remembers of a group: states that native code has saved, which follow each other, and after them rows that it has not seen
 * yet. There are never more of these than {@link #ROWS}, nor more bytes of their texts than {@link #TEXT_BYTES} and those of one row.
 */
public final class MetricAccumulator {
  /** How many rows native code is given at once. */
  static final int ROWS = Batch.ROWS;

  /** How many bytes of texts wait for that at most. */
  static final int TEXT_BYTES = 1 << 16;

  private static final int FIRST_ROWS = 16;
  private static final long[] NO_CELLS = {};
  private static final byte[] NO_TEXTS = {};

  /** The literals of the call, and the form of each column; null before the first row. */
  String[] parameters;

  String forms;

  /** Their bytes are never written again, so that accumulators may share them. */
  final List<byte[]> states;

  /** How many rows wait: their cells, a row after the other, and the bytes of their texts. */
  int rows;

  long[] cells;
  byte[] texts;
  int textBytes;

  MetricAccumulator() {
    this(new ArrayList<>(1));
  }

  private MetricAccumulator(List<byte[]> states) {
    this.states = states;
    release();
  }

  MetricAccumulator copy() {
    MetricAccumulator copy = new MetricAccumulator(new ArrayList<>(states));
    copy.parameters = parameters;
    copy.forms = forms;
    copy.rows = rows;
    copy.cells = cells.clone();
    copy.texts = Arrays.copyOf(texts, textBytes);
    copy.textBytes = textBytes;
    return copy;
  }

  /** Makes room for one more row of so many columns, and returns where its cells begin. */
  int room(int columns) {
    int at = rows * columns;
    if (at + columns > cells.length) {
      cells = Arrays.copyOf(cells, columns * Math.min(ROWS, Math.max(FIRST_ROWS, 2 * rows)));
    }
    return at;
  }

  /** Adds a text, and returns what its cell holds: where it begins, and above 32 bits its length. */
  long text(byte[] from, int offset, int length) {
    if (length > texts.length - textBytes) {
      texts = Arrays.copyOf(texts, Math.max(Math.addExact(textBytes, length), Math.multiplyExact(texts.length, 2)));
    }
    System.arraycopy(from, offset, texts, textBytes, length);
    long cell = (long) length << 32 | textBytes;
    textBytes += length;
    return cell;
  }

  boolean isFull() {
    return rows >= ROWS || textBytes >= TEXT_BYTES;
  }

  /** No row waits any more. */
  void taken() {
    rows = 0;
    textBytes = 0;
  }

  /** No row waits any more, nor memory for them. */
  void release() {
    taken();
    cells = NO_CELLS;
    texts = NO_TEXTS;
  }
}
