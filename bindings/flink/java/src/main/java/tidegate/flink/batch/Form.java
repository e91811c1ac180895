package tidegate.flink.batch;

import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeFamily;

/** What the cells of a column hold. */
public enum Form {
  /** A number of any type, as a DOUBLE. */
  NUMBER,
  /** An integer of any type, as a BIGINT. */
  INTEGER,
  /** 0 or 1. */
  BOOLEAN,
  /** Where its UTF-8 lies among the texts. */
  TEXT,
  /** A TIMESTAMP or TIMESTAMP_LTZ, as milliseconds since 1970. */
  MILLISECONDS;

  /** Whether columns of a type can be read in this form. */
  public boolean takes(LogicalType type) {
    return switch (this) {
      case NUMBER -> type.is(LogicalTypeFamily.NUMERIC);
      case INTEGER -> type.is(LogicalTypeFamily.INTEGER_NUMERIC);
      case BOOLEAN -> type.is(org.apache.flink.table.types.logical.LogicalTypeRoot.BOOLEAN);
      case TEXT -> type.is(LogicalTypeFamily.CHARACTER_STRING);
      case MILLISECONDS -> type.is(LogicalTypeFamily.TIMESTAMP);
    };
  }
}
