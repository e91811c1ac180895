package tidegate.bench;

import java.util.Locale;
import java.util.Set;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.ScanTableSource;
import org.apache.flink.table.connector.source.SourceProvider;
import org.apache.flink.table.connector.source.abilities.SupportsProjectionPushDown;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.RowType;

/** {@code 'connector' = 'nexmark'}, with those options of Tidegate's that the bench gives. */
public final class NexmarkSourceFactory implements DynamicTableSourceFactory {
  private static final ConfigOption<String> TABLE = ConfigOptions.key("table").stringType().noDefaultValue();
  private static final ConfigOption<Long> EVENTS = ConfigOptions.key("events.num").longType().noDefaultValue();

  @Override
  public String factoryIdentifier() {
    return "nexmark";
  }

  @Override
  public Set<ConfigOption<?>> requiredOptions() {
    return Set.of(TABLE, EVENTS);
  }

  @Override
  public Set<ConfigOption<?>> optionalOptions() {
    return Set.of();
  }

  @Override
  public DynamicTableSource createDynamicTableSource(Context context) {
    FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);
    helper.validate();
    Kind kind = Kind.valueOf(helper.getOptions().get(TABLE).toUpperCase(Locale.ROOT));
    return new NexmarkTable(kind, helper.getOptions().get(EVENTS), context.getPhysicalRowDataType());
  }

  /** A table of the events of one kind; only the columns that a query reads are made. */
  private static final class NexmarkTable implements ScanTableSource, SupportsProjectionPushDown {
    private final Kind kind;
    private final long events;
    private DataType produced;

    NexmarkTable(Kind kind, long events, DataType produced) {
      this.kind = kind;
      this.events = events;
      this.produced = produced;
    }

    @Override
    public ChangelogMode getChangelogMode() {
      return ChangelogMode.insertOnly();
    }

    @Override
    public ScanRuntimeProvider getScanRuntimeProvider(ScanContext context) {
      String[] columns = ((RowType) produced.getLogicalType()).getFieldNames().toArray(new String[0]);
      return SourceProvider.of(new NexmarkSource(kind, columns, events));
    }

    @Override
    public boolean supportsNestedProjection() {
      return false;
    }

    @Override
    public void applyProjection(int[][] projected, DataType produced) {
      this.produced = produced;
    }

    @Override
    public DynamicTableSource copy() {
      return new NexmarkTable(kind, events, produced);
    }

    @Override
    public String asSummaryString() {
      return "Nexmark " + kind;
    }
  }
}
