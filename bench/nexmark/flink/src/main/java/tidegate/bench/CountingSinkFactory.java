package tidegate.bench;

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.sink.SinkV2Provider;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableSinkFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;

/** {@code 'connector' = 'counting'}: drops rows, as a black hole, and counts them; with a {@code 'path'} it writes them there. */
public final class CountingSinkFactory implements DynamicTableSinkFactory {
  /** Rows that all sinks of this process took. */
  static final AtomicLong ROWS = new AtomicLong();

  private static final ConfigOption<String> PATH = ConfigOptions.key("path").stringType().noDefaultValue();
  private static final AtomicInteger FILES = new AtomicInteger();

  @Override
  public String factoryIdentifier() {
    return "counting";
  }

  @Override
  public Set<ConfigOption<?>> requiredOptions() {
    return Set.of();
  }

  @Override
  public Set<ConfigOption<?>> optionalOptions() {
    return Set.of(PATH);
  }

  @Override
  public DynamicTableSink createDynamicTableSink(Context context) {
    FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);
    helper.validate();
    RowType type = (RowType) context.getPhysicalRowDataType().getLogicalType();
    return new CountingTable(helper.getOptions().getOptional(PATH), type);
  }

  private static final class CountingTable implements DynamicTableSink {
    private final Optional<String> path;
    private final RowType type;

    CountingTable(Optional<String> path, RowType type) {
      this.path = path;
      this.type = type;
    }

    @Override
    public ChangelogMode getChangelogMode(ChangelogMode requested) {
      return ChangelogMode.insertOnly();
    }

    @Override
    public SinkRuntimeProvider getSinkRuntimeProvider(Context context) {
      return SinkV2Provider.of(new CountingSink(path.orElse(null), type));
    }

    @Override
    public DynamicTableSink copy() {
      return new CountingTable(path, type);
    }

    @Override
    public String asSummaryString() {
      return "counting";
    }
  }

  private static final class CountingSink implements Sink<RowData> {
    private final String folder;
    private final RowType type;

    CountingSink(String folder, RowType type) {
      this.folder = folder;
      this.type = type;
    }

    @Override
    public SinkWriter<RowData> createWriter(WriterInitContext context) throws IOException {
      return new Writer(folder, type);
    }
  }

  private static final class Writer implements SinkWriter<RowData> {
    private final RowData.FieldGetter[] fields;
    private final BufferedWriter out;
    private long rows;

    Writer(String folder, RowType type) throws IOException {
      fields = new RowData.FieldGetter[type.getFieldCount()];
      for (int i = 0; i < fields.length; i++) {
        LogicalType field = type.getTypeAt(i);
        fields[i] = RowData.createFieldGetter(field, i);
      }
      out = folder == null ? null : Files.newBufferedWriter(Path.of(folder, "part-" + FILES.incrementAndGet()));
    }

    @Override
    public void write(RowData row, Context context) throws IOException {
      rows++;
      if (out != null) {
        for (int i = 0; i < fields.length; i++) {
          Object value = fields[i].getFieldOrNull(row);
          out.write(i == 0 ? "" : ",");
          // A time as csv files have it, to the millisecond.
          out.write(value == null ? "" : value.toString().replace('T', ' '));
        }
        out.newLine();
      }
    }

    @Override
    public void flush(boolean endOfInput) {}

    @Override
    public void close() throws IOException {
      ROWS.addAndGet(rows);
      rows = 0;
      if (out != null) {
        out.close();
      }
    }
  }
}
