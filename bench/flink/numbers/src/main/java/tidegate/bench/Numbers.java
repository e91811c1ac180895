package tidegate.bench;

import org.apache.flink.connector.datagen.source.GeneratorFunction;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.binary.BinaryRowData;
import org.apache.flink.table.data.writer.BinaryRowWriter;

/**
 * Rows of numbers from 0 to below 1, and whether the first two of them are more together than the next two: the same row at the same
 * place. It is one row that is filled anew.
 */
final class Numbers implements GeneratorFunction<Long, RowData> {
  private static final long serialVersionUID = 1L;

  private final int numbers;
  private transient BinaryRowData row;
  private transient BinaryRowWriter writer;

  Numbers(int numbers) {
    this.numbers = numbers;
  }

  @Override
  public RowData map(Long at) {
    if (row == null) {
      row = new BinaryRowData(numbers + 1);
      writer = new BinaryRowWriter(row);
    }
    writer.reset();
    for (int column = 0; column < numbers; column++) {
      // The upper 53 bits are a number's digits.
      writer.writeDouble(column, (mixed(at * numbers + column) >>> 11) * 0x1.0p-53);
    }
    writer.writeBoolean(numbers, row.getDouble(0) + row.getDouble(1) > row.getDouble(2) + row.getDouble(3));
    writer.complete();
    return row;
  }

  /** SplitMix64's number at a place of its sequence. */
  private static long mixed(long place) {
    long z = place * 0x9e3779b97f4a7c15L;
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }
}
