package tidegate.flink.batch;

import java.io.Serializable;
import java.util.List;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.types.logical.DecimalType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.table.types.logical.utils.LogicalTypeChecks;

/** Makes Flink's rows of what native code gives. */
public final class RowWriter implements Serializable {
  private static final long serialVersionUID = 1L;

  private final LogicalType[] types;
  private final LogicalTypeRoot[] roots;

  /** Writes columns of these types. */
  public RowWriter(List<LogicalType> types) {
    this.types = types.toArray(LogicalType[]::new);
    this.roots = types.stream().map(LogicalType::getTypeRoot).toArray(LogicalTypeRoot[]::new);
  }

  public int columns() {
    return roots.length;
  }

  /** Writes a row's columns into a row, from its column {@code first} on. */
  public void write(Given from, int row, GenericRowData to, int first) {
    for (int column = 0; column < roots.length; column++) {
      to.setField(first + column, from.cells().isNull(column, row) ? null : value(from, column, row));
    }
  }

  private Object value(Given from, int column, int row) {
    Cells cells = from.cells();
    return switch (roots[column]) {
      case DOUBLE -> cells.number(column, row);
      case FLOAT -> (float) cells.number(column, row);
      case TINYINT -> (byte) cells.integer(column, row);
      case SMALLINT -> (short) cells.integer(column, row);
      case BIGINT -> cells.integer(column, row);
      case INTEGER, DATE -> Math.toIntExact(cells.integer(column, row));
      case TIME_WITHOUT_TIME_ZONE -> (int) (cells.integer(column, row) / 1000);
      case TIMESTAMP_WITHOUT_TIME_ZONE, TIMESTAMP_WITH_LOCAL_TIME_ZONE -> Timestamps.of(
          cells.integer(column, row), LogicalTypeChecks.getPrecision(types[column]));
      case BOOLEAN -> cells.integer(column, row) != 0;
      case CHAR, VARCHAR -> from.text(column, row);
      case BINARY, VARBINARY -> from.bytes(column, row);
      case DECIMAL -> {
        DecimalType type = (DecimalType) types[column];
        yield DecimalData.isCompact(type.getPrecision())
            ? DecimalData.fromUnscaledLong(cells.integer(column, row), type.getPrecision(), type.getScale())
            : DecimalData.fromUnscaledBytes(from.bytes(column, row), type.getPrecision(), type.getScale());
      }
      case MAP -> from.map(column, row);
      default -> throw new IllegalStateException("native code does not give " + roots[column]);
    };
  }
}
