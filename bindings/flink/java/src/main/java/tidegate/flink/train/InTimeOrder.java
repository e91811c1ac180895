package tidegate.flink.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.java.functions.NullByteKeySelector;
import org.apache.flink.metrics.Counter;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.utils.LogicalTypeChecks;
import org.apache.flink.util.Collector;

/**
 * Rows in the order of their event time, whoever read them and when:
 *
 * <pre>
 * partition 0   10 12 20 ┐
 *                        ├─► waits in state until the watermark has passed it ──►  9 10 12 13 20
 * partition 1    9 13    ┘
 * </pre>
 *
 * <p>Rows of one time come by their other columns, from left to right, NULL first; what has no order (ARRAY, MAP, ROW) does not count.
 * A row that comes when later ones have gone is left out, and counted. It is what the planner makes of ORDER BY in a stream, which does
 * not count them.
 */
final class InTimeOrder extends KeyedProcessFunction<Byte, RowData, RowData> {
  private static final long serialVersionUID = 1L;

  private final RowType type;
  private final int time;
  private transient MapState<Long, List<RowData>> waiting;
  private transient ValueState<Long> gone;
  private transient Comparator<RowData> order;
  private transient TypeSerializer<RowData> serializer;
  private transient Counter late;

  private InTimeOrder(RowType type, int time) {
    this.type = type;
    this.time = time;
  }

  /** Sorts rows by the event time in column {@code time}. */
  static DataStream<RowData> sort(DataStream<RowData> rows, List<LogicalType> types, int time, String name) {
    RowType type = RowType.of(types.toArray(LogicalType[]::new));
    return rows
        .keyBy(new NullByteKeySelector<>())
        .process(new InTimeOrder(type, time), InternalTypeInfo.of(type))
        .name(name)
        .uid(name)
        .setParallelism(1)
        .setMaxParallelism(1);
  }

  @Override
  public void open(OpenContext context) {
    waiting = getRuntimeContext().getMapState(
        new MapStateDescriptor<>("waiting", Types.LONG, Types.LIST(InternalTypeInfo.of(type))));
    gone = getRuntimeContext().getState(new ValueStateDescriptor<>("gone", Types.LONG));
    order = order(type);
    serializer = InternalTypeInfo.of(type).toSerializer();
    // Flink's windows call it so, too.
    late = getRuntimeContext().getMetricGroup().counter("numLateRecordsDropped");
  }

  @Override
  public void processElement(RowData row, Context context, Collector<RowData> output) throws Exception {
    long at = row.getTimestamp(time, LogicalTypeChecks.getPrecision(type.getTypeAt(time))).getMillisecond();
    Long last = gone.value();
    if (last != null && at <= last) {
      late.inc();
      return;
    }
    List<RowData> rows = waiting.get(at);
    if (rows == null) {
      rows = new ArrayList<>();
      context.timerService().registerEventTimeTimer(at);
    }
    // State in memory keeps what it is given, and the next row comes in the same object.
    rows.add(serializer.copy(row));
    waiting.put(at, rows);
  }

  @Override
  public void onTimer(long at, OnTimerContext context, Collector<RowData> output) throws Exception {
    List<RowData> rows = waiting.get(at);
    if (rows != null) {
      rows.sort(order);
      rows.forEach(output::collect);
      waiting.remove(at);
    }
    gone.update(at);
  }

  private static Comparator<RowData> order(RowType type) {
    Comparator<RowData> order = (one, other) -> 0;
    for (int i = 0; i < type.getFieldCount(); i++) {
      LogicalType column = type.getTypeAt(i);
      if (!column.is(LogicalTypeRoot.ARRAY) && !column.is(LogicalTypeRoot.MAP) && !column.is(LogicalTypeRoot.ROW)
          && !column.is(LogicalTypeRoot.MULTISET)) {
        RowData.FieldGetter getter = RowData.createFieldGetter(column, i);
        order = order.thenComparing(getter::getFieldOrNull, Comparator.nullsFirst(InTimeOrder::compare));
      }
    }
    return order;
  }

  /** Values of one type, as they are inside of Flink. */
  @SuppressWarnings("unchecked")
  private static int compare(Object one, Object other) {
    if (one instanceof byte[] bytes) {
      return Arrays.compareUnsigned(bytes, (byte[]) other);
    }
    return one instanceof Comparable<?> ? ((Comparable<Object>) one).compareTo(other) : 0;
  }
}
