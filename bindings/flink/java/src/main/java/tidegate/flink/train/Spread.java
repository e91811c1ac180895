package tidegate.flink.train;

import java.util.Arrays;
import org.apache.flink.api.common.functions.Partitioner;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.LogicalType;

/** Spreads rows over replicas: those that are equal in some columns go to one. */
final class Spread implements KeySelector<RowData, Integer>, Partitioner<Integer> {
  private static final long serialVersionUID = 1L;

  private final RowData.FieldGetter[] columns;

  private Spread(RowData.FieldGetter[] columns) {
    this.columns = columns;
  }

  /** Spreads by the columns at these places; without any, evenly. */
  static DataStream<RowData> over(DataStream<RowData> rows, int[] places, LogicalType[] types) {
    if (places.length == 0) {
      return rows.rebalance();
    }
    RowData.FieldGetter[] columns = new RowData.FieldGetter[places.length];
    Arrays.setAll(columns, i -> RowData.createFieldGetter(types[i], places[i]));
    Spread spread = new Spread(columns);
    return rows.partitionCustom(spread, spread);
  }

  @Override
  public Integer getKey(RowData row) {
    int hash = 1;
    for (RowData.FieldGetter column : columns) {
      Object value = column.getFieldOrNull(row);
      hash = 31 * hash + (value == null ? 0 : value.hashCode());
    }
    return hash;
  }

  @Override
  public int partition(Integer key, int partitions) {
    // Keys that follow each other are spread, too.
    return Math.floorMod(Integer.rotateLeft(key * 0x9E3779B9, 15), partitions);
  }
}
