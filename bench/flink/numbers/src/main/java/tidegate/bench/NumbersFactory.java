package tidegate.bench;

import java.util.Set;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.connector.datagen.source.DataGeneratorSource;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.ScanTableSource;
import org.apache.flink.table.connector.source.SourceProvider;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.types.DataType;

/** {@code 'connector' = 'numbers'}: a table of at least four DOUBLEs and a BOOLEAN, with so many {@code 'rows'}. */
public final class NumbersFactory implements DynamicTableSourceFactory {
  private static final ConfigOption<Long> ROWS = ConfigOptions.key("rows").longType().noDefaultValue();

  @Override
  public String factoryIdentifier() {
    return "numbers";
  }

  @Override
  public Set<ConfigOption<?>> requiredOptions() {
    return Set.of(ROWS);
  }

  @Override
  public Set<ConfigOption<?>> optionalOptions() {
    return Set.of();
  }

  @Override
  public DynamicTableSource createDynamicTableSource(Context context) {
    FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);
    helper.validate();
    return new Table(context.getPhysicalRowDataType(), helper.getOptions().get(ROWS));
  }

  private record Table(DataType type, long rows) implements ScanTableSource {
    @Override
    public ChangelogMode getChangelogMode() {
      return ChangelogMode.insertOnly();
    }

    @Override
    public ScanRuntimeProvider getScanRuntimeProvider(ScanContext context) {
      TypeInformation<RowData> row = context.createTypeInformation(type);
      return SourceProvider.of(new DataGeneratorSource<>(new Numbers(type.getChildren().size() - 1), rows, row));
    }

    @Override
    public DynamicTableSource copy() {
      return this;
    }

    @Override
    public String asSummaryString() {
      return "numbers";
    }
  }
}
