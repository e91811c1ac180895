package tidegate.flink.metric;

import java.nio.ByteBuffer;
import tidegate.flink.Native;

/**
 * The metrics of native code, as functions of states that are bytes: there is nothing to close. Literals are {@code number:0.5}, {@code
 * text:macro} and {@code flag:true}; an empty state is that of no rows.
 */
final class NativeMetric {
  static {
    Native.load();
  }

  private NativeMetric() {}

  /** A line a metric: its name, what its columns are, all it takes in words, and what it measures, with tabs between them. */
  static native String describe();

  /** In which form each column is handed over, {@code boolean}, {@code integer}, {@code text} or {@code number}, for these types. */
  static native String forms(String metric, String[] types);

  /** Refuses literals that the metric does not take. */
  static native void check(String metric, String[] parameters);

  /** The state with rows taken in. */
  static native byte[] update(
      String metric,
      String[] parameters,
      byte[] state,
      String forms,
      ByteBuffer cells,
      ByteBuffer texts,
      int textBytes,
      int capacity,
      int rows);

  /** One state of several, which follow each other. */
  static native byte[] merge(String metric, String[] parameters, byte[][] states);

  /** The measure of all that the states hold: one number, or none where it is undefined. */
  static native double[] value(String metric, String[] parameters, byte[][] states);
}
