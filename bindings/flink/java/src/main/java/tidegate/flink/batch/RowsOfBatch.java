package tidegate.flink.batch;

import java.util.Arrays;
import java.util.List;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.MapData;
import org.apache.flink.table.data.RawValueData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.runtime.typeutils.InternalSerializers;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.table.types.logical.utils.LogicalTypeChecks;
import org.apache.flink.types.RowKind;
import org.apache.flink.types.bitmap.Bitmap;
import org.apache.flink.types.variant.Variant;

/**
 * The rows of a batch as Flink's rows, each with what native code gives for it behind its own columns. It is one row that goes from one
 * to the next: nothing is made for a row.
 *
 * <pre>
 * column 0   price DOUBLE   ──► the batch that native code reads, which has it anyway
 * column 1   name STRING    ──► a batch beside it, of what native code does not read
 * column 2   tags ARRAY     ──► a copy
 * column 3   probability    ──► what native code gives
 * </pre>
 */
public final class RowsOfBatch implements RowData {
  /** Where each column is, and what it is there. */
  private final Values[] from;

  private final int[] columns;
  private final LogicalTypeRoot[] roots;

  /** Copies of the columns that are in no batch, by column and row. */
  private final Object[][] copies;

  private final RowData.FieldGetter[] getters;
  private final TypeSerializer<Object>[] serializers;
  private final int[] copied;

  private final RowReader besideReader;
  private final Batch beside;
  private final RowKind[] kinds;
  private RowKind kind = RowKind.INSERT;
  private int row;

  /** Rows of which the layout's reader writes some columns into {@code batch}, and for which native code writes into {@code given}. */
  @SuppressWarnings("unchecked")
  public RowsOfBatch(Layout layout, Batch batch, Given given) {
    List<LogicalType> inputs = layout.inputs();
    List<LogicalType> outputs = layout.outputs();
    int width = inputs.size() + outputs.size();
    int capacity = batch.capacity();
    from = new Values[width];
    columns = new int[width];
    roots = new LogicalTypeRoot[width];
    copies = new Object[width][];
    getters = new RowData.FieldGetter[width];
    serializers = new TypeSerializer[width];
    kinds = new RowKind[capacity];
    for (int column = 0; column < width; column++) {
      roots[column] = (column < inputs.size() ? inputs.get(column) : outputs.get(column - inputs.size())).getTypeRoot();
    }
    int[] besides = new int[inputs.size()];
    int[] others = new int[inputs.size()];
    int besideCount = 0;
    int otherCount = 0;
    for (int column = 0; column < inputs.size(); column++) {
      LogicalType type = inputs.get(column);
      Form form = keptAs(type);
      int read = layout.reader().columnOf(column, form);
      if (form == null) {
        getters[column] = RowData.createFieldGetter(type, column);
        serializers[column] = InternalSerializers.create(type);
        copies[column] = new Object[capacity];
        others[otherCount++] = column;
      } else if (read >= 0) {
        from[column] = batch;
        columns[column] = read;
      } else {
        columns[column] = besideCount;
        besides[besideCount++] = column;
      }
    }
    int[] places = Arrays.copyOf(besides, besideCount);
    List<LogicalType> types = Arrays.stream(places).mapToObj(inputs::get).toList();
    besideReader = new RowReader(places, types, types.stream().map(Form::of).toList());
    beside = new Batch(besideCount, capacity);
    for (int place : places) {
      from[place] = beside;
    }
    copied = Arrays.copyOf(others, otherCount);
    for (int column = inputs.size(); column < width; column++) {
      from[column] = given;
      columns[column] = column - inputs.size();
    }
  }

  /** The form in which a batch keeps all values of a type; null if there is none. */
  private static Form keptAs(LogicalType type) {
    Form form = Form.of(type);
    // There are timestamps that are no count of nanoseconds.
    return form == Form.TIMESTAMP && LogicalTypeChecks.getPrecision(type) > 6 ? null : form;
  }

  /** Keeps of a row what the reader has not written into the batch. */
  public void keep(RowData row, int at) {
    kinds[at] = row.getRowKind();
    besideReader.read(row, beside, at);
    for (int column : copied) {
      Object value = getters[column].getFieldOrNull(row);
      copies[column][at] = value == null ? null : serializers[column].copy(value);
    }
  }

  /** Is this row of the batch from now on. */
  public RowsOfBatch at(int row) {
    this.row = row;
    kind = kinds[row];
    return this;
  }

  /** Begins anew. */
  public void clear() {
    beside.clear();
    for (int column : copied) {
      Arrays.fill(copies[column], null);
    }
  }

  @Override
  public int getArity() {
    return columns.length;
  }

  @Override
  public RowKind getRowKind() {
    return kind;
  }

  @Override
  public void setRowKind(RowKind kind) {
    this.kind = kind;
  }

  @Override
  public boolean isNullAt(int column) {
    return from[column] == null ? copies[column][row] == null : from[column].cells().isNull(columns[column], row);
  }

  private long integer(int column) {
    return from[column].cells().integer(columns[column], row);
  }

  @Override
  public boolean getBoolean(int column) {
    return integer(column) != 0;
  }

  @Override
  public byte getByte(int column) {
    return (byte) integer(column);
  }

  @Override
  public short getShort(int column) {
    return (short) integer(column);
  }

  @Override
  public int getInt(int column) {
    if (from[column] == null) {
      return (Integer) copies[column][row];
    }
    long value = integer(column);
    return (int) (roots[column] == LogicalTypeRoot.TIME_WITHOUT_TIME_ZONE ? value / 1000 : value);
  }

  @Override
  public long getLong(int column) {
    return from[column] == null ? (Long) copies[column][row] : integer(column);
  }

  @Override
  public float getFloat(int column) {
    return (float) getDouble(column);
  }

  @Override
  public double getDouble(int column) {
    return from[column].cells().number(columns[column], row);
  }

  @Override
  public StringData getString(int column) {
    return from[column].text(columns[column], row);
  }

  @Override
  public DecimalData getDecimal(int column, int precision, int scale) {
    return DecimalData.isCompact(precision)
        ? DecimalData.fromUnscaledLong(integer(column), precision, scale)
        : DecimalData.fromUnscaledBytes(from[column].bytes(columns[column], row), precision, scale);
  }

  @Override
  public TimestampData getTimestamp(int column, int precision) {
    return from[column] == null ? (TimestampData) copies[column][row] : Timestamps.of(integer(column), precision);
  }

  @Override
  public byte[] getBinary(int column) {
    return from[column].bytes(columns[column], row);
  }

  @Override
  public MapData getMap(int column) {
    return from[column] instanceof Given given ? given.map(columns[column], row) : (MapData) copies[column][row];
  }

  @Override
  public ArrayData getArray(int column) {
    return (ArrayData) copies[column][row];
  }

  @Override
  public RowData getRow(int column, int fields) {
    return (RowData) copies[column][row];
  }

  @Override
  @SuppressWarnings("unchecked")
  public <T> RawValueData<T> getRawValue(int column) {
    return (RawValueData<T>) copies[column][row];
  }

  @Override
  public Variant getVariant(int column) {
    return (Variant) copies[column][row];
  }

  @Override
  public Bitmap getBitmap(int column) {
    return (Bitmap) copies[column][row];
  }
}
