package tidegate.flink;

import java.io.Serializable;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.data.GenericMapData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeFamily;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.table.types.logical.MapType;

/** Makes rows of Flink of what a model gives. */
final class RowWriter implements Serializable {
  private static final long serialVersionUID = 1L;

  /** The types of the columns, in their order. */
  private final LogicalType[] types;

  RowWriter(List<LogicalType> types) {
    this.types = types.toArray(LogicalType[]::new);
  }

  /** Refuses types that are not what the model gives. */
  void check(String model, List<ModelColumn> columns) {
    if (types.length != columns.size()) {
      throw new ValidationException(
          String.format("model '%s' gives %d columns, but its OUTPUT declares %d", model, columns.size(), types.length));
    }
    for (int i = 0; i < types.length; i++) {
      ModelColumn column = columns.get(i);
      boolean fits =
          switch (column.kind()) {
            case NUMBER -> types[i].is(LogicalTypeRoot.DOUBLE);
            case INTEGER -> types[i].is(LogicalTypeRoot.BIGINT) || types[i].is(LogicalTypeRoot.INTEGER);
            case BOOLEAN -> types[i].is(LogicalTypeRoot.BOOLEAN);
            case TEXT -> types[i].is(LogicalTypeFamily.CHARACTER_STRING);
            case MAP -> types[i] instanceof MapType map
                && map.getKeyType().is(LogicalTypeFamily.CHARACTER_STRING)
                && map.getValueType().is(LogicalTypeRoot.DOUBLE);
          };
      if (!fits) {
        String words = column.kind() == ModelColumn.Kind.NUMBER ? "DOUBLE" : column.kind().words;
        throw new ValidationException(
            String.format(
                "model '%s', OUTPUT column %d: the model gives '%s' as %s, but %s is declared",
                model, i + 1, column.name(), words, types[i].asSummaryString()));
      }
    }
  }

  int columns() {
    return types.length;
  }

  /** Writes a row's predictions into a row, from its column {@code first} on. */
  void write(NativeModel from, int row, GenericRowData to, int first) {
    for (int column = 0; column < types.length; column++) {
      to.setField(first + column, from.output.isNull(column, row) ? null : value(from, column, row));
    }
  }

  private Object value(NativeModel from, int column, int row) {
    return switch (types[column].getTypeRoot()) {
      case DOUBLE -> from.output.number(column, row);
      case BIGINT -> from.output.integer(column, row);
      case INTEGER -> Math.toIntExact(from.output.integer(column, row));
      case BOOLEAN -> from.output.integer(column, row) != 0;
      case CHAR, VARCHAR -> StringData.fromBytes(
          from.givenTexts(), from.output.textFrom(column, row), from.output.textBytes(column, row));
      case MAP -> map(from, column, row);
      default -> throw new IllegalStateException("a model does not give " + types[column]);
    };
  }

  private static GenericMapData map(NativeModel from, int column, int row) {
    Map<StringData, Double> map = new LinkedHashMap<>();
    ByteBuffer entries = from.givenEntries();
    int at = from.output.textFrom(column, row);
    int end = at + from.output.textBytes(column, row);
    while (at < end) {
      int bytes = entries.getInt(at);
      map.put(StringData.fromBytes(from.givenTexts(), at + 4, bytes), entries.getDouble(at + 4 + bytes));
      at += 12 + bytes;
    }
    return new GenericMapData(map);
  }
}
