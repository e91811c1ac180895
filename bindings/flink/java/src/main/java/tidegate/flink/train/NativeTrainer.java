package tidegate.flink.train;

import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import tidegate.flink.Native;
import tidegate.flink.batch.Batch;
import tidegate.flink.batch.Given;

/** A model that learns. It belongs to one thread, and has to be closed. */
final class NativeTrainer implements BatchFunction {
  static {
    Native.load();
  }

  private long handle;

  /** A model that has learned nothing yet, or what the version has that the task names. */
  NativeTrainer(String task) {
    handle = open(task);
  }

  @Override
  public byte[] process(Batch input, Given output, int rows) {
    return process(handle, input.memory(), input.texts(), input.textBytes(), output.memory(), input.capacity(), rows);
  }

  /** The input has ended: what waits is learned, and the last version registered. */
  void end() {
    end(handle);
  }

  byte[] snapshot() {
    return snapshot(handle);
  }

  void restore(byte[] state) {
    restore(handle, state);
  }

  /** What became of the rows so far, and how well they were predicted. */
  Map<String, Double> figures() {
    Map<String, Double> figures = new LinkedHashMap<>();
    for (String line : figures(handle).split("\n")) {
      String[] parts = line.split("\t", 2);
      if (parts.length == 2) {
        figures.put(parts[0], Double.valueOf(parts[1]));
      }
    }
    return figures;
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

  private static native void end(long handle);

  private static native byte[] snapshot(long handle);

  private static native void restore(long handle, byte[] state);

  private static native String figures(long handle);
}
