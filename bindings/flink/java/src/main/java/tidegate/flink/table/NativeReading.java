package tidegate.flink.table;

import java.nio.ByteBuffer;
import tidegate.flink.Native;
import tidegate.flink.batch.Given;

/** A table that is read. It is used from one thread at a time, and has to be closed. */
final class NativeReading implements AutoCloseable {
  static {
    Native.load();
  }

  private long handle;

  /** Begins, or goes on where {@link #place} said; an empty one is the beginning. */
  NativeReading(Scan scan, byte[] place) {
    handle = open(scan.declaration().forNative(), scan.projection(), scan.limit(), Scan.BATCH_ROWS, place);
  }

  boolean isBounded() {
    return isBounded(handle);
  }

  /** Reads the next rows and returns how many they are, which may be none; -1 at the end. */
  int next(Given into) {
    int rows = next(handle, into.memory(), into.capacity());
    if (rows > 0) {
      into.take(texts(handle));
    }
    return rows;
  }

  /** How many records among the last rows could not be read. */
  long bad() {
    return bad(handle);
  }

  /** Where to go on after the last rows. */
  byte[] place() {
    return place(handle);
  }

  @Override
  public void close() {
    long closing = handle;
    handle = 0;
    close(closing);
  }

  /** {@code limit}: no more rows than this are wanted; less than 0: all. */
  private static native long open(String[] declaration, int[] projection, long limit, int batchRows, byte[] place);

  private static native void close(long handle);

  private static native boolean isBounded(long handle);

  private static native int next(long handle, ByteBuffer output, int capacity);

  private static native byte[] texts(long handle);

  private static native long bad(long handle);

  private static native byte[] place(long handle);
}
