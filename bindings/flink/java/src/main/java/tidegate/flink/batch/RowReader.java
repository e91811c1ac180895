package tidegate.flink.batch;

import java.io.Serializable;
import java.util.List;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.binary.BinaryRowData;
import org.apache.flink.table.types.logical.DecimalType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.table.types.logical.utils.LogicalTypeChecks;

/** Takes columns of Flink's rows to native code. */
public final class RowReader implements Serializable {
  private static final long serialVersionUID = 1L;

  /** Where in a row the columns are. */
  private final int[] places;

  private final LogicalType[] types;
  private final LogicalTypeRoot[] roots;
  private final Form[] forms;

  /** Which columns are doubles and are read as such: most of a model's are. */
  private final boolean[] plain;

  /** For each column, how many from it on are plain and stand side by side in a row. */
  private final int[] plainFrom;

  /** Reads the columns at {@code places}, which have these types, in these forms. */
  public RowReader(int[] places, List<LogicalType> types, List<Form> forms) {
    this.places = places.clone();
    this.types = types.toArray(LogicalType[]::new);
    this.roots = types.stream().map(LogicalType::getTypeRoot).toArray(LogicalTypeRoot[]::new);
    this.forms = forms.toArray(Form[]::new);
    plain = new boolean[places.length];
    for (int column = 0; column < plain.length; column++) {
      plain[column] = this.forms[column] == Form.NUMBER && roots[column] == LogicalTypeRoot.DOUBLE;
    }
    plainFrom = new int[places.length];
    for (int column = places.length - 1; column >= 0; column--) {
      boolean goesOn = column + 1 < places.length && places[column + 1] == places[column] + 1;
      plainFrom[column] = plain[column] ? 1 + (goesOn ? plainFrom[column + 1] : 0) : 0;
    }
  }

  public int columns() {
    return places.length;
  }

  /** Which of the columns read is the one at this place in a row, in this form; -1 if none is. */
  int columnOf(int place, Form form) {
    for (int column = 0; column < places.length; column++) {
      if (places[column] == place && forms[column] == form) {
        return column;
      }
    }
    return -1;
  }

  /** Writes a row's columns into a batch. */
  public void read(RowData from, Batch to, int row) {
    Cells cells = to.cells();
    boolean asDeclared = !(from instanceof GenericRowData);
    // Flink's binary rows have 8 bytes a column, side by side: what is plain there is copied as it is.
    BinaryRowData bytes = from instanceof BinaryRowData binary && binary.getSegments().length == 1 && !binary.anyNull() ? binary : null;
    for (int column = 0; column < places.length; column++) {
      if (bytes != null && plainFrom[column] > 1) {
        int at = bytes.getOffset() + BinaryRowData.calculateBitSetWidthInBytes(bytes.getArity()) + 8 * places[column];
        cells.setAll(column, row, plainFrom[column], bytes.getSegments()[0], at);
        column += plainFrom[column] - 1;
        continue;
      }
      int place = places[column];
      if (from.isNullAt(place)) {
        cells.setNull(column, row);
        continue;
      }
      if (asDeclared && plain[column]) {
        cells.setNumber(column, row, from.getDouble(place));
        continue;
      }
      switch (forms[column]) {
        case NUMBER -> cells.setNumber(column, row, number(from, place, column));
        case INTEGER -> cells.setInteger(column, row, integer(from, place, column));
        case BOOLEAN -> cells.setInteger(column, row, from.getBoolean(place) ? 1 : 0);
        case TRUTH -> cells.setInteger(column, row, isTrue(from, place, column) ? 1 : 0);
        case TEXT -> to.setText(column, row, from.getString(place).toBytes());
        case MILLISECONDS -> cells.setInteger(
            column, row, from.getTimestamp(place, LogicalTypeChecks.getPrecision(types[column])).getMillisecond());
        case TIMESTAMP -> {
          int precision = LogicalTypeChecks.getPrecision(types[column]);
          cells.setInteger(column, row, Timestamps.count(from.getTimestamp(place, precision), precision));
        }
        case DATE -> cells.setInteger(column, row, from.getInt(place));
        case TIME -> cells.setInteger(column, row, from.getInt(place) * 1000L);
        case DIGITS -> {
          DecimalType type = (DecimalType) types[column];
          DecimalData decimal = from.getDecimal(place, type.getPrecision(), type.getScale());
          if (DecimalData.isCompact(type.getPrecision())) {
            cells.setInteger(column, row, decimal.toUnscaledLong());
          } else {
            to.setText(column, row, decimal.toUnscaledBytes());
          }
        }
        case BYTES -> to.setText(column, row, from.getBinary(place));
      }
    }
  }

  private double number(RowData from, int place, int column) {
    // ML_PREDICT takes an INT or a DECIMAL for a column that is declared as DOUBLE, and hands it over as it is.
    if (from instanceof GenericRowData row) {
      Object value = row.getField(place);
      return value instanceof DecimalData decimal ? decimal.toBigDecimal().doubleValue() : ((Number) value).doubleValue();
    }
    return switch (roots[column]) {
      case DOUBLE -> from.getDouble(place);
      case FLOAT -> from.getFloat(place);
      case DECIMAL -> {
        DecimalType decimal = (DecimalType) types[column];
        yield from.getDecimal(place, decimal.getPrecision(), decimal.getScale()).toBigDecimal().doubleValue();
      }
      default -> integer(from, place, column);
    };
  }

  private boolean isTrue(RowData from, int place, int column) {
    return roots[column] == LogicalTypeRoot.BOOLEAN ? from.getBoolean(place) : integer(from, place, column) != 0;
  }

  private long integer(RowData from, int place, int column) {
    return switch (roots[column]) {
      case TINYINT -> from.getByte(place);
      case SMALLINT -> from.getShort(place);
      case INTEGER -> from.getInt(place);
      case BIGINT -> from.getLong(place);
      default -> throw new IllegalStateException(types[column] + " is no number");
    };
  }
}
