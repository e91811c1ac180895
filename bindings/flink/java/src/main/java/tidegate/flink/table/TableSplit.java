package tidegate.flink.table;

import java.io.IOException;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/** A whole table from a place on, as {@link NativeReading#place} gives it. */
record TableSplit(byte[] place) implements SourceSplit {
  /** From its first row on. */
  static final TableSplit START = new TableSplit(new byte[0]);

  /** In an enumerator's state: the split is with a reader. A place that native code gives has more bytes. */
  static final TableSplit GIVEN = new TableSplit(new byte[] {-1});

  static final SimpleVersionedSerializer<TableSplit> SERIALIZER = new Serializer();

  @Override
  public String splitId() {
    return "table";
  }

  boolean isGiven() {
    return place.length == 1 && place[0] == -1;
  }

  private static final class Serializer implements SimpleVersionedSerializer<TableSplit> {
    @Override
    public int getVersion() {
      return 1;
    }

    @Override
    public byte[] serialize(TableSplit split) {
      return split.place();
    }

    @Override
    public TableSplit deserialize(int version, byte[] bytes) throws IOException {
      if (version != 1) {
        throw new IOException("the state of a source is of version " + version + " of Tidegate's format, and only 1 is known");
      }
      return new TableSplit(bytes);
    }
  }
}
