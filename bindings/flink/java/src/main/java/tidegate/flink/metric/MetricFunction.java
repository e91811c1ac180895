package tidegate.flink.metric;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.functions.AggregateFunction;
import org.apache.flink.table.types.inference.TypeInference;
import org.apache.flink.table.types.inference.TypeStrategies;
import tidegate.flink.batch.Batch;
import tidegate.flink.batch.Form;

/**
 * A metric as an aggregate function: one class for all that native code has.
 *
 * <pre>
 *  accumulate: rows wait in the accumulator ── a batch of them ──► the last state takes them in, or a new one if that is large
 *                                                               states [ … 16 MB │ 5 MB │ 60 KB ]  each larger than all after it
 * </pre>
 *
 * So a state that grows with its rows is not written anew for each batch: the cost of n rows is that of n log n. Rows and states keep
 * their order, which a fading metric needs. There is no {@code retract}: no metric can forget a row.
 */
public final class MetricFunction extends AggregateFunction<Double, MetricAccumulator> {
  private static final long serialVersionUID = 1L;

  /** A state up to so many bytes takes rows in itself. */
  private static final int SMALL_BYTES = 1 << 16;

  private static final byte[] NO_ROWS = {};

  private final String name;
  private final String takes;
  private final int columns;
  private transient Batch batch;

  private MetricFunction(String name, int columns, String takes) {
    this.name = name;
    this.columns = columns;
    this.takes = takes;
  }

  /** All metrics. */
  public static List<MetricFunction> all() {
    List<MetricFunction> all = new ArrayList<>();
    for (String line : NativeMetric.describe().split("\n")) {
      String[] parts = line.split("\t", 4);
      all.add(new MetricFunction(parts[0], parts[1].split(" ").length, parts[2]));
    }
    return all;
  }

  /** Its name in SQL. */
  public String name() {
    return name;
  }

  @Override
  public TypeInference getTypeInference(DataTypeFactory types) {
    return TypeInference.newBuilder()
        .inputTypeStrategy(new MetricArguments(name, columns, takes))
        .accumulatorTypeStrategy(
            TypeStrategies.explicit(DataTypes.RAW(MetricAccumulator.class, MetricAccumulatorSerializer.INSTANCE)))
        .outputTypeStrategy(TypeStrategies.explicit(DataTypes.DOUBLE()))
        .build();
  }

  @Override
  public MetricAccumulator createAccumulator() {
    return new MetricAccumulator();
  }

  /** Takes a row in: the columns, and the literals that follow them. A row with a NULL counts nowhere. */
  public void accumulate(MetricAccumulator to, Object... arguments) {
    for (int column = 0; column < columns; column++) {
      if (arguments[column] == null) {
        return;
      }
    }
    if (to.forms == null) {
      begin(to, arguments);
    }
    int at = to.room(columns);
    for (int column = 0; column < columns; column++) {
      to.cells[at + column] = cell(to, arguments[column]);
    }
    to.rows++;
    if (to.isFull()) {
      flush(to);
    }
  }

  private static long cell(MetricAccumulator to, Object value) {
    if (value instanceof Double number) {
      return Double.doubleToRawLongBits(number);
    } else if (value instanceof Boolean flag) {
      return flag ? 1 : 0;
    } else if (value instanceof Long integer) {
      return integer;
    }
    byte[] text = ((StringData) value).toBytes();
    return to.text(text, 0, text.length);
  }

  private void begin(MetricAccumulator to, Object[] arguments) {
    List<String> forms = new ArrayList<>();
    for (int column = 0; column < columns; column++) {
      forms.add(form(arguments[column]).name().toLowerCase(Locale.ROOT));
    }
    String[] parameters = new String[arguments.length - columns];
    for (int i = 0; i < parameters.length; i++) {
      parameters[i] = MetricArguments.literal(arguments[columns + i]);
    }
    to.forms = String.join(" ", forms);
    to.parameters = parameters;
  }

  private static Form form(Object value) {
    return value instanceof Double
        ? Form.NUMBER
        : value instanceof Boolean ? Form.BOOLEAN : value instanceof Long ? Form.INTEGER : Form.TEXT;
  }

  /** Takes in what others have taken in, of rows that come after those here. */
  public void merge(MetricAccumulator to, Iterable<MetricAccumulator> others) {
    for (MetricAccumulator other : others) {
      if (other.forms == null) {
        continue;
      }
      if (to.forms == null) {
        to.forms = other.forms;
        to.parameters = other.parameters;
      }
      if (!other.states.isEmpty()) {
        flush(to);
        to.states.addAll(other.states);
        unite(to);
      }
      append(to, other);
    }
  }

  /** The rows that wait in another accumulator wait here, too. */
  private void append(MetricAccumulator to, MetricAccumulator from) {
    boolean[] isText = isText(from.forms);
    for (int row = 0; row < from.rows; row++) {
      int at = to.room(columns);
      for (int column = 0; column < columns; column++) {
        long cell = from.cells[row * columns + column];
        to.cells[at + column] = isText[column] ? to.text(from.texts, (int) cell, (int) (cell >>> 32)) : cell;
      }
      to.rows++;
      if (to.isFull()) {
        flush(to);
      }
    }
  }

  private boolean[] isText(String forms) {
    boolean[] isText = new boolean[columns];
    String[] words = forms.split(" ");
    for (int column = 0; column < columns; column++) {
      isText[column] = words[column].equals("text");
    }
    return isText;
  }

  @Override
  public Double getValue(MetricAccumulator of) {
    flush(of);
    of.release();
    if (of.states.isEmpty()) {
      return null;
    }
    double[] value = NativeMetric.value(name, of.parameters, of.states.toArray(byte[][]::new));
    return value.length == 0 ? null : value[0];
  }

  /** Gives native code the rows that wait. */
  private void flush(MetricAccumulator of) {
    if (of.rows == 0) {
      return;
    }
    if (batch == null) {
      batch = new Batch(columns, MetricAccumulator.ROWS);
    }
    batch.clear();
    boolean[] isText = isText(of.forms);
    for (int column = 0; column < columns; column++) {
      for (int row = 0; row < of.rows; row++) {
        long cell = of.cells[row * columns + column];
        if (isText[column]) {
          batch.setText(column, row, of.texts, (int) cell, (int) (cell >>> 32));
        } else {
          batch.cells().setInteger(column, row, cell);
        }
      }
    }
    int last = of.states.size() - 1;
    boolean grows = last >= 0 && of.states.get(last).length <= SMALL_BYTES;
    byte[] state =
        NativeMetric.update(
            name,
            of.parameters,
            grows ? of.states.get(last) : NO_ROWS,
            of.forms,
            batch.memory(),
            batch.texts(),
            batch.textBytes(),
            batch.capacity(),
            of.rows);
    if (grows) {
      of.states.set(last, state);
    } else {
      of.states.add(state);
    }
    of.taken();
    unite(of);
  }

  /** Merges states so that each that is left is more than twice as large as all after it: there are few of them then. */
  private void unite(MetricAccumulator of) {
    List<byte[]> states = of.states;
    int first = states.size() - 1;
    long after = 0;
    for (int i = states.size() - 1; i > 0; i--) {
      after += states.get(i).length;
      if (states.get(i - 1).length <= Math.max(SMALL_BYTES, 2 * after)) {
        first = i - 1;
      }
    }
    if (first < states.size() - 1) {
      List<byte[]> united = states.subList(first, states.size());
      byte[] state = NativeMetric.merge(name, of.parameters, united.toArray(byte[][]::new));
      united.clear();
      states.add(state);
    }
  }

  @Override
  public String toString() {
    return name;
  }
}
