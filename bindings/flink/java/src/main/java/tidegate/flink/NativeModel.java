package tidegate.flink;

import java.nio.ByteBuffer;
import java.util.List;

/**
 * A model, and rows on their way to it. Rows are written column by column, predicted together, and read again:
 *
 * <pre>
 * model.setNumber(0, row, …); … model.predict(rows); … model.number(0, row)
 * </pre>
 *
 * It belongs to one thread, and has to be closed.
 */
final class NativeModel implements AutoCloseable {
  private static final int TEXT_BYTES = 4096;

  private final List<ModelColumn> inputs;
  private final List<ModelColumn> outputs;
  private final int capacity;
  final Cells input;
  final Cells output;
  private long handle;
  private ByteBuffer texts = Cells.direct(TEXT_BYTES);
  private byte[] given = new byte[0];
  private ByteBuffer givenEntries = ByteBuffer.wrap(given);

  /** Opens a model for batches of up to {@code capacity} rows. */
  NativeModel(String registry, String reference, int capacity) {
    this.capacity = capacity;
    handle = Native.open(registry, reference);
    String description = Native.describe(handle);
    inputs = ModelColumn.of(description, "input");
    outputs = ModelColumn.of(description, "output");
    input = new Cells(inputs.size(), capacity);
    output = new Cells(outputs.size(), capacity);
  }

  List<ModelColumn> inputs() {
    return inputs;
  }

  List<ModelColumn> outputs() {
    return outputs;
  }

  long version() {
    return Native.version(handle);
  }

  boolean reload() {
    return Native.reload(handle);
  }

  /** Begins a batch: its texts are written anew. */
  void begin() {
    texts.clear();
  }

  /** Writes a text as UTF-8. */
  void setText(int column, int row, byte[] utf8) {
    if (texts.remaining() < utf8.length) {
      ByteBuffer larger = Cells.direct(Math.max(Math.addExact(texts.position(), utf8.length), Math.multiplyExact(texts.capacity(), 2)));
      larger.put(texts.flip());
      texts = larger;
    }
    input.setText(column, row, texts.position(), utf8.length);
    texts.put(utf8);
  }

  /** Predicts the first {@code rows} rows; predictions are in {@link #output}. */
  void predict(int rows) {
    given = Native.predict(handle, input.memory, texts, texts.position(), output.memory, capacity, rows);
    givenEntries = ByteBuffer.wrap(given).order(output.memory.order());
  }

  /** The bytes that the texts of {@link #output} are among. */
  byte[] givenTexts() {
    return given;
  }

  /** The same, to read the lengths and numbers of maps' entries from. */
  ByteBuffer givenEntries() {
    return givenEntries;
  }

  @Override
  public void close() {
    long closing = handle;
    handle = 0;
    Native.close(closing);
  }
}
