package tidegate.flink.batch;

import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeFamily;
import org.apache.flink.table.types.logical.LogicalTypeRoot;

/** What the cells of a column hold. */
public enum Form {
  /** A number of any type, as a DOUBLE. */
  NUMBER,
  /** An integer of any type, as a BIGINT. */
  INTEGER,
  /** 0 or 1. */
  BOOLEAN,
  /** A BOOLEAN, or an integer, which is true if it is not 0; as 0 or 1. */
  TRUTH,
  /** Where its UTF-8 lies among the texts. */
  TEXT,
  /** A TIMESTAMP or TIMESTAMP_LTZ, as milliseconds since 1970. */
  MILLISECONDS;

  /** Whether columns of a type can be read in this form. */
  public boolean takes(LogicalType type) {
    return switch (this) {
      case NUMBER -> type.is(LogicalTypeFamily.NUMERIC);
      case INTEGER -> type.is(LogicalTypeFamily.INTEGER_NUMERIC);
      case BOOLEAN -> type.is(LogicalTypeRoot.BOOLEAN);
      case TRUTH -> type.is(LogicalTypeRoot.BOOLEAN) || type.is(LogicalTypeFamily.INTEGER_NUMERIC);
      case TEXT -> type.is(LogicalTypeFamily.CHARACTER_STRING);
      case MILLISECONDS -> type.is(LogicalTypeFamily.TIMESTAMP);
    };
  }
}
