package tidegate.flink.model;

import java.nio.ByteBuffer;
import java.util.List;
import tidegate.flink.Native;
import tidegate.flink.batch.Batch;
import tidegate.flink.batch.Given;

/**
 * A model of a registry that predicts: rows are written into {@link #input}, predicted together, and read from {@link #output}. It belongs
 * to one thread, and has to be closed.
 */
final class NativeModel implements AutoCloseable {
  static {
    Native.load();
  }

  final Batch input;
  final Given output;
  private final List<ModelColumn> inputs;
  private final List<ModelColumn> outputs;
  private long handle;

  /** Opens a model for batches of up to {@code capacity} rows. */
  NativeModel(String registry, String reference, int capacity) {
    handle = open(registry, reference);
    try {
      String description = describe(handle);
      inputs = ModelColumn.of(description, "input");
      outputs = ModelColumn.of(description, "output");
      input = new Batch(inputs.size(), capacity);
      output = new Given(outputs.size(), capacity);
    } catch (Throwable error) {
      close();
      throw error;
    }
  }

  List<ModelColumn> inputs() {
    return inputs;
  }

  List<ModelColumn> outputs() {
    return outputs;
  }

  long version() {
    return version(handle);
  }

  /** Loads the version that the reference means by now; returns whether it is another one. */
  boolean reload() {
    return reload(handle);
  }

  /** Predicts the first {@code rows} rows. */
  void predict(int rows) {
    output.take(predict(handle, input.memory(), input.texts(), input.textBytes(), output.memory(), input.capacity(), rows));
  }

  @Override
  public void close() {
    long closing = handle;
    handle = 0;
    close(closing);
  }

  /** Opens a model of the registry in a folder; {@code reference} is {@code intent}, {@code intent$3} or {@code intent$candidate}. */
  private static native long open(String registry, String reference);

  private static native void close(long handle);

  /** A line a column: {@code input} or {@code output}, what it holds, and its name, with tabs between them. */
  private static native String describe(long handle);

  private static native long version(long handle);

  private static native boolean reload(long handle);

  private static native byte[] predict(
      long handle, ByteBuffer input, ByteBuffer texts, int textBytes, ByteBuffer output, int capacity, int rows);
}
