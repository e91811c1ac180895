package tidegate.flink.train;

import java.nio.ByteBuffer;
import tidegate.flink.Native;
import tidegate.flink.batch.Batch;
import tidegate.flink.batch.Given;

/** A version of a model that predicts. It belongs to one thread, and has to be closed. */
final class NativePredictor implements BatchFunction {
  static {
    Native.load();
  }

  private long handle;

  /** Loads the version that the task names. */
  NativePredictor(String task) {
    handle = open(task);
  }

  @Override
  public byte[] process(Batch input, Given output, int rows) {
    return process(handle, input.memory(), input.texts(), input.textBytes(), output.memory(), input.capacity(), rows);
  }

  @Override
  public void close() {
    long closing = handle;
    handle = 0;
    close(closing);
  }

  private static native long open(String task);

  private static native void close(long handle);

  private static native byte[] process(
      long handle, ByteBuffer input, ByteBuffer texts, int textBytes, ByteBuffer output, int capacity, int rows);
}
