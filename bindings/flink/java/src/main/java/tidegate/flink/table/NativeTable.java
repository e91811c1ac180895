package tidegate.flink.table;

import tidegate.flink.Native;

/** What there is to ask of a table before it is read or written. */
final class NativeTable {
  static {
    Native.load();
  }

  private NativeTable() {}

  /** Fails with what is wrong with a {@linkplain Declaration#forNative declaration}. */
  static native void check(String[] declaration);
}
