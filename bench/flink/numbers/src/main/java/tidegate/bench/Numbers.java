package tidegate.bench;

import org.apache.flink.connector.datagen.source.GeneratorFunction;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.binary.BinaryRowData;
import org.apache.flink.table.data.writer.BinaryRowWriter;

/** Rows of an id from 1 on and numbers from 0 to below 1: the same row for the same id. It is one row that is filled anew. */
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
      row = new BinaryRowData(1 + numbers);
      writer = new BinaryRowWriter(row);
    }
    writer.reset();
    writer.writeLong(0, at + 1);
    for (int column = 1; column <= numbers; column++) {
      // The upper 53 bits are a number's digits.
      writer.writeDouble(column, (mixed(at * numbers + column) >>> 11) * 0x1.0p-53);
    }
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
