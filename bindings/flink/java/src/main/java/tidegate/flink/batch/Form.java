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
  MILLISECONDS,
  /** The same in the unit of its type: milliseconds up to a precision of 3, microseconds up to 6, else nanoseconds. */
  TIMESTAMP,
  /** Days since 1970. */
  DATE,
  /** A time of day in microseconds. */
  TIME,
  /** All digits of a DECIMAL as a whole number: up to 18 of them in the cell, else its bytes among the texts. */
  DIGITS,
  /** Where its bytes lie among the texts. */
  BYTES;

  /** The form in which a column of a table keeps all of its values; null for types that are in no table. */
  public static Form of(LogicalType type) {
    return switch (type.getTypeRoot()) {
      case BOOLEAN -> BOOLEAN;
      case TINYINT, SMALLINT, INTEGER, BIGINT -> INTEGER;
      case FLOAT, DOUBLE -> NUMBER;
      case DECIMAL -> DIGITS;
      case CHAR, VARCHAR -> TEXT;
      case BINARY, VARBINARY -> BYTES;
      case DATE -> DATE;
      case TIME_WITHOUT_TIME_ZONE -> TIME;
      case TIMESTAMP_WITHOUT_TIME_ZONE, TIMESTAMP_WITH_LOCAL_TIME_ZONE -> TIMESTAMP;
      default -> null;
    };
  }

  /** Whether columns of a type can be read in this form. */
  public boolean takes(LogicalType type) {
    return switch (this) {
      case NUMBER -> type.is(LogicalTypeFamily.NUMERIC);
      case INTEGER -> type.is(LogicalTypeFamily.INTEGER_NUMERIC);
      case BOOLEAN -> type.is(LogicalTypeRoot.BOOLEAN);
      case TRUTH -> type.is(LogicalTypeRoot.BOOLEAN) || type.is(LogicalTypeFamily.INTEGER_NUMERIC);
      case TEXT -> type.is(LogicalTypeFamily.CHARACTER_STRING);
      case MILLISECONDS, TIMESTAMP -> type.is(LogicalTypeFamily.TIMESTAMP);
      case DATE -> type.is(LogicalTypeRoot.DATE);
      case TIME -> type.is(LogicalTypeRoot.TIME_WITHOUT_TIME_ZONE);
      case DIGITS -> type.is(LogicalTypeRoot.DECIMAL);
      case BYTES -> type.is(LogicalTypeFamily.BINARY_STRING);
    };
  }
}
