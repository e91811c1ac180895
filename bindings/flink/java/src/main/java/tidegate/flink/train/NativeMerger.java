package tidegate.flink.train;

import tidegate.flink.Native;

/** What replicas of a model make together. It belongs to one thread at a time, and has to be closed. */
final class NativeMerger implements AutoCloseable {
  static {
    Native.load();
  }

  private long handle;

  /** Begins with what the replicas of the task begin with. */
  NativeMerger(String task) {
    handle = open(task);
  }

  /** Takes in reports of replicas that all went on from what is here. */
  void merge(byte[][] reports) {
    merge(handle, reports);
  }

  /** Takes in the last reports of all replicas, and registers the last version. */
  void finish(byte[][] reports) {
    finish(handle, reports);
  }

  byte[] model() {
    return model(handle);
  }

  void restore(byte[] model) {
    restore(handle, model);
  }

  @Override
  public void close() {
    long closing = handle;
    handle = 0;
    close(closing);
  }

  private static native long open(String task);

  private static native void close(long handle);

  private static native void merge(long handle, byte[][] reports);

  private static native void finish(long handle, byte[][] reports);

  private static native byte[] model(long handle);

  private static native void restore(long handle, byte[] model);
}
