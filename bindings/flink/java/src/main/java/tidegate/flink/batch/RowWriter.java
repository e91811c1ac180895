package tidegate.flink.batch;

import java.io.Serializable;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.table.data.GenericMapData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeRoot;

/** Makes Flink's rows of what native code gives. */
public final class RowWriter implements Serializable {
  private static final long serialVersionUID = 1L;

  private final LogicalTypeRoot[] roots;

  /** Writes columns of these types. */
  public RowWriter(List<LogicalType> types) {
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
      case BIGINT -> cells.integer(column, row);
      case INTEGER -> Math.toIntExact(cells.integer(column, row));
      case BOOLEAN -> cells.integer(column, row) != 0;
      case CHAR, VARCHAR -> StringData.fromBytes(from.texts(), cells.textFrom(column, row), cells.textBytes(column, row));
      case MAP -> map(from, column, row);
      default -> throw new IllegalStateException("native code does not give " + roots[column]);
    };
  }

  private static GenericMapData map(Given from, int column, int row) {
    Map<StringData, Double> map = new LinkedHashMap<>();
    ByteBuffer entries = from.entries();
    int at = from.cells().textFrom(column, row);
    int end = at + from.cells().textBytes(column, row);
    while (at < end) {
      int bytes = entries.getInt(at);
      map.put(StringData.fromBytes(from.texts(), at + 4, bytes), entries.getDouble(at + 4 + bytes));
      at += 12 + bytes;
    }
    return new GenericMapData(map);
  }
}
