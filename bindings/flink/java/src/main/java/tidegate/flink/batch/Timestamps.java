package tidegate.flink.batch;

import org.apache.flink.table.data.TimestampData;
import tidegate.flink.TidegateException;

/** Timestamps as native code counts them: in milliseconds up to a precision of 3, in microseconds up to 6, else in nanoseconds. */
final class Timestamps {
  private Timestamps() {}

  private static long perMillisecond(int precision) {
    return precision <= 3 ? 1 : precision <= 6 ? 1_000 : 1_000_000;
  }

  static TimestampData of(long count, int precision) {
    long per = perMillisecond(precision);
    return TimestampData.fromEpochMillis(Math.floorDiv(count, per), (int) (Math.floorMod(count, per) * (1_000_000 / per)));
  }

  /** Fails for years that a count of nanoseconds does not reach, which are those before 1678 and after 2261. */
  static long count(TimestampData timestamp, int precision) {
    long per = perMillisecond(precision);
    try {
      return Math.addExact(Math.multiplyExact(timestamp.getMillisecond(), per), timestamp.getNanoOfMillisecond() / (1_000_000 / per));
    } catch (ArithmeticException overflow) {
      throw new TidegateException(
          String.format("%s does not fit into a TIMESTAMP(%d), which holds the years 1678 to 2261", timestamp, precision));
    }
  }
}
