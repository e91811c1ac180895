package tidegate.flink.report;

import java.nio.ByteBuffer;
import tidegate.flink.Native;
import tidegate.flink.batch.Batch;
import tidegate.flink.batch.Given;

/** A report being taken. It belongs to one thread, and has to be closed. */
final class NativeReporter implements AutoCloseable {
  static {
    Native.load();
  }

  private long handle;

  /** A report of what the task says, on no rows. */
  NativeReporter(String task) {
    handle = open(task);
  }

  /** Takes in the first {@code rows} rows. */
  void process(Batch input, int rows) {
    process(handle, input.memory(), input.texts(), input.textBytes(), input.capacity(), rows);
  }

  /** The rows of the report, which have so many columns. */
  Given finish(int columns) {
    Given given = new Given(columns, rows(handle));
    given.take(write(handle, given.memory(), given.capacity()));
    return given;
  }

  byte[] snapshot() {
    return snapshot(handle);
  }

  void restore(byte[] state) {
    restore(handle, state);
  }

  @Override
  public void close() {
    long closing = handle;
    handle = 0;
    close(closing);
  }

  private static native long open(String task);

  private static native void close(long handle);

  private static native void process(long handle, ByteBuffer input, ByteBuffer texts, int textBytes, int capacity, int rows);

  private static native int rows(long handle);

  private static native byte[] write(long handle, ByteBuffer output, int capacity);

  private static native byte[] snapshot(long handle);

  private static native void restore(long handle, byte[] state);
}
