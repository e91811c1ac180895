package tidegate.flink;

import java.io.Serializable;
import java.util.List;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.DecimalType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeFamily;
import org.apache.flink.table.types.logical.LogicalTypeRoot;

/** Takes rows of Flink to a model. */
final class RowReader implements Serializable {
  private static final long serialVersionUID = 1L;

  /** The types of the columns, in their order. */
  private final LogicalType[] types;

  RowReader(List<LogicalType> types) {
    this.types = types.toArray(LogicalType[]::new);
  }

  /** Refuses types that the model does not read. */
  void check(String model, List<ModelColumn> columns) {
    if (types.length != columns.size()) {
      throw new ValidationException(
          String.format("model '%s' reads %d columns, but its INPUT declares %d", model, columns.size(), types.length));
    }
    for (int i = 0; i < types.length; i++) {
      ModelColumn column = columns.get(i);
      boolean fits =
          switch (column.kind()) {
            case NUMBER -> types[i].is(LogicalTypeFamily.NUMERIC);
            case BOOLEAN -> types[i].is(LogicalTypeRoot.BOOLEAN);
            case TEXT -> types[i].is(LogicalTypeFamily.CHARACTER_STRING);
            case INTEGER, MAP -> false;
          };
      if (!fits) {
        throw new ValidationException(
            String.format(
                "model '%s', INPUT column %d: the model reads '%s' as %s, but %s is declared",
                model, i + 1, column.name(), column.kind().words, types[i].asSummaryString()));
      }
    }
  }

  /** Writes a row's columns into a batch. */
  void read(RowData from, NativeModel to, int row) {
    for (int column = 0; column < types.length; column++) {
      if (from.isNullAt(column)) {
        to.input.setNull(column, row);
        continue;
      }
      switch (types[column].getTypeRoot()) {
        case BOOLEAN -> to.input.setInteger(column, row, from.getBoolean(column) ? 1 : 0);
        case TINYINT -> to.input.setNumber(column, row, from.getByte(column));
        case SMALLINT -> to.input.setNumber(column, row, from.getShort(column));
        case INTEGER -> to.input.setNumber(column, row, from.getInt(column));
        case BIGINT -> to.input.setNumber(column, row, from.getLong(column));
        case FLOAT -> to.input.setNumber(column, row, from.getFloat(column));
        case DOUBLE -> to.input.setNumber(column, row, from.getDouble(column));
        case DECIMAL -> {
          DecimalType decimal = (DecimalType) types[column];
          double value = from.getDecimal(column, decimal.getPrecision(), decimal.getScale()).toBigDecimal().doubleValue();
          to.input.setNumber(column, row, value);
        }
        case CHAR, VARCHAR -> to.setText(column, row, from.getString(column).toBytes());
        default -> throw new IllegalStateException("a model cannot read " + types[column]);
      }
    }
  }
}
