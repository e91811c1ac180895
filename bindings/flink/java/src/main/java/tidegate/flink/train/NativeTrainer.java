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

  /** Of a replica: what it has learned since it went on; it waits from now on. */
  byte[] report() {
    return report(handle);
  }

  /** Of a replica at its end: what it has learned since it went on, with all rows that waited for their label. */
  byte[] lastReport() {
    return lastReport(handle);
  }

  /** Of a replica that waits: it goes on as it is. */
  void release() {
    release(handle);
  }

  /** Of a replica: it goes on from what all have made together. */
  void goOn(long round, byte[] merged) {
    goOn(handle, round, merged);
  }

  /** How far a replica is: the merge that it went on from, the rows that it has learned, and those that it holds. */
  record Progress(long round, long learned, long held) {}

  Progress progress() {
    long[] progress = progress(handle);
    return new Progress(progress[0], progress[1], progress[2]);
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

  private static native byte[] report(long handle);

  private static native byte[] lastReport(long handle);

  private static native void release(long handle);

  private static native void goOn(long handle, long round, byte[] merged);

  private static native long[] progress(long handle);

  private static native String figures(long handle);
}
