package tidegate.bench;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.connector.source.lib.util.IteratorSourceEnumerator;
import org.apache.flink.api.connector.source.lib.util.IteratorSourceReader;
import org.apache.flink.api.connector.source.lib.util.IteratorSourceSplit;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;

/** Makes the events of one kind, with the columns asked for. Of several readers each makes every so-many-th event. */
final class NexmarkSource implements Source<RowData, NexmarkSource.Split, Collection<NexmarkSource.Split>> {
  private final Kind kind;
  private final String[] columns;
  private final long events;

  NexmarkSource(Kind kind, String[] columns, long events) {
    this.kind = kind;
    this.columns = columns;
    this.events = events;
  }

  @Override
  public Boundedness getBoundedness() {
    return Boundedness.BOUNDED;
  }

  @Override
  public SplitEnumerator<Split, Collection<Split>> createEnumerator(SplitEnumeratorContext<Split> context) {
    int splits = context.currentParallelism();
    List<Split> all = new ArrayList<>();
    for (int i = 0; i < splits; i++) {
      all.add(new Split(kind, columns, i, splits, kind.rows(events)));
    }
    return new IteratorSourceEnumerator<>(context, all);
  }

  @Override
  public SplitEnumerator<Split, Collection<Split>> restoreEnumerator(
      SplitEnumeratorContext<Split> context, Collection<Split> splits) {
    return new IteratorSourceEnumerator<>(context, splits);
  }

  @Override
  public SourceReader<RowData, Split> createReader(SourceReaderContext context) {
    return new IteratorSourceReader<>(context);
  }

  @Override
  public SimpleVersionedSerializer<Split> getSplitSerializer() {
    return new SplitSerializer();
  }

  @Override
  public SimpleVersionedSerializer<Collection<Split>> getEnumeratorCheckpointSerializer() {
    return new SplitsSerializer();
  }

  /** The rows from one on, every so-many-th, to below an end. */
  record Split(Kind kind, String[] columns, long next, long step, long end)
      implements IteratorSourceSplit<RowData, Rows> {
    @Override
    public String splitId() {
      return Long.toString(next % step);
    }

    @Override
    public Rows getIterator() {
      return new Rows(this);
    }

    @Override
    public IteratorSourceSplit<RowData, Rows> getUpdatedSplitForIterator(Rows rows) {
      return new Split(kind, columns, rows.next, step, end);
    }
  }

  /** The rows of a split. */
  static final class Rows implements Iterator<RowData> {
    private final Kind kind;
    private final Kind.Column[] columns;
    private final long step;
    private final long end;
    private long next;

    Rows(Split split) {
      kind = split.kind();
      columns = new Kind.Column[split.columns().length];
      for (int i = 0; i < columns.length; i++) {
        columns[i] = kind.column(split.columns()[i]);
      }
      next = split.next();
      step = split.step();
      end = split.end();
    }

    @Override
    public boolean hasNext() {
      return next < end;
    }

    @Override
    public RowData next() {
      long event = kind.event(next);
      GenericRowData row = new GenericRowData(columns.length);
      for (int i = 0; i < columns.length; i++) {
        row.setField(i, columns[i].value(next, event));
      }
      next += step;
      return row;
    }
  }

  private static void write(Split split, DataOutputStream out) throws IOException {
    out.writeUTF(split.kind().name());
    out.writeInt(split.columns().length);
    for (String column : split.columns()) {
      out.writeUTF(column);
    }
    out.writeLong(split.next());
    out.writeLong(split.step());
    out.writeLong(split.end());
  }

  private static Split read(DataInputStream in) throws IOException {
    Kind kind = Kind.valueOf(in.readUTF());
    String[] columns = new String[in.readInt()];
    for (int i = 0; i < columns.length; i++) {
      columns[i] = in.readUTF();
    }
    return new Split(kind, columns, in.readLong(), in.readLong(), in.readLong());
  }

  private static final class SplitSerializer implements SimpleVersionedSerializer<Split> {
    @Override
    public int getVersion() {
      return 1;
    }

    @Override
    public byte[] serialize(Split split) throws IOException {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      write(split, new DataOutputStream(bytes));
      return bytes.toByteArray();
    }

    @Override
    public Split deserialize(int version, byte[] bytes) throws IOException {
      return read(new DataInputStream(new ByteArrayInputStream(bytes)));
    }
  }

  private static final class SplitsSerializer implements SimpleVersionedSerializer<Collection<Split>> {
    @Override
    public int getVersion() {
      return 1;
    }

    @Override
    public byte[] serialize(Collection<Split> splits) throws IOException {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      DataOutputStream out = new DataOutputStream(bytes);
      out.writeInt(splits.size());
      for (Split split : splits) {
        write(split, out);
      }
      return bytes.toByteArray();
    }

    @Override
    public Collection<Split> deserialize(int version, byte[] bytes) throws IOException {
      DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes));
      int count = in.readInt();
      List<Split> splits = new ArrayList<>(count);
      for (int i = 0; i < count; i++) {
        splits.add(read(in));
      }
      return splits;
    }
  }
}
