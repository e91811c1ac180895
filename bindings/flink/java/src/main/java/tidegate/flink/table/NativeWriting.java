package tidegate.flink.table;

import java.nio.ByteBuffer;
import tidegate.flink.Native;
import tidegate.flink.batch.Batch;

/** A table that is written. It is used from one thread at a time, and has to be closed; what was not handed over then is lost. */
final class NativeWriting implements AutoCloseable {
  static {
    Native.load();
  }

  private long handle;

  /**
   * Begins, or goes on where {@link #restore} said; an empty one is the beginning.
   *
   * @param job a name for its hidden files
   */
  NativeWriting(Declaration declaration, String job, boolean overwrite, boolean atEnd, byte[] restore) {
    handle = open(declaration.forNative(), job, overwrite, atEnd, restore);
  }

  /** Writes the first {@code rows} rows of a batch. */
  void write(Batch batch, int rows) {
    write(handle, batch.memory(), batch.texts(), batch.textBytes(), batch.capacity(), rows);
  }

  /** Makes all rows so far durable, and returns what is to be committed for them to be visible, if anything. */
  byte[] handOver(boolean last) {
    return handOver(handle, last);
  }

  /** Where to go on after what was handed over. */
  byte[] restore() {
    return restore(handle);
  }

  /** Makes rows visible that were handed over; {@code again}: that may have been done before. */
  static void commit(Declaration declaration, String job, boolean overwrite, boolean atEnd, byte[] handedOver, boolean again) {
    commit(declaration.forNative(), job, overwrite, atEnd, handedOver, again);
  }

  @Override
  public void close() {
    long closing = handle;
    handle = 0;
    close(closing);
  }

  private static native long open(String[] declaration, String job, boolean overwrite, boolean atEnd, byte[] restore);

  private static native void close(long handle);

  private static native void write(long handle, ByteBuffer input, ByteBuffer texts, int textBytes, int capacity, int rows);

  private static native byte[] handOver(long handle, boolean last);

  private static native byte[] restore(long handle);

  private static native void commit(
      String[] declaration, String job, boolean overwrite, boolean atEnd, byte[] handedOver, boolean again);
}
