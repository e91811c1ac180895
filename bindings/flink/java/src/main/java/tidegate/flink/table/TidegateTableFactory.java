package tidegate.flink.table;

import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.factories.DynamicTableSinkFactory;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.types.logical.RowType;
import tidegate.flink.TidegateException;

/**
 * Tables of Tidegate's own connectors, read and written as {@code tidegate run} does:
 *
 * <pre>
 * CREATE TABLE visits (visitor STRING, ts TIMESTAMP(3))
 * WITH ('connector' = 'tidegate', 'tidegate.connector' = 'filesystem', 'path' = '/shared/visits.csv', 'format' = 'csv');
 * </pre>
 *
 * Options that do not begin with {@code tidegate.} are the connector's.
 */
public final class TidegateTableFactory implements DynamicTableSourceFactory, DynamicTableSinkFactory {
  private static final String PREFIX = "tidegate.";

  static final ConfigOption<String> CONNECTOR =
      ConfigOptions.key("tidegate.connector")
          .stringType()
          .noDefaultValue()
          .withDescription("The connector of Tidegate: filesystem, datagen, nexmark …");

  static final ConfigOption<String> FOLDER =
      ConfigOptions.key("tidegate.folder")
          .stringType()
          .defaultValue("/")
          .withDescription("The folder that relative paths start from, which the client and every task manager have to see.");

  static final ConfigOption<String> KEY =
      ConfigOptions.key("tidegate.key")
          .stringType()
          .defaultValue("flink")
          .withDescription("A name for the run, which the names of files that are not visible yet begin with.");

  @Override
  public String factoryIdentifier() {
    return "tidegate";
  }

  @Override
  public Set<ConfigOption<?>> requiredOptions() {
    return Set.of(CONNECTOR);
  }

  @Override
  public Set<ConfigOption<?>> optionalOptions() {
    return Set.of(FOLDER, KEY);
  }

  @Override
  public DynamicTableSource createDynamicTableSource(Context context) {
    return new TidegateTableSource(declaration(context));
  }

  @Override
  public DynamicTableSink createDynamicTableSink(Context context) {
    return new TidegateTableSink(declaration(context));
  }

  private Declaration declaration(Context context) {
    String name = context.getObjectIdentifier().getObjectName();
    Map<String, String> given = context.getCatalogTable().getOptions();
    Map<String, String> options = new TreeMap<>();
    given.forEach(
        (option, value) -> {
          if (!option.startsWith(PREFIX) && !option.equals(FactoryUtil.CONNECTOR.key())) {
            options.put(option, value);
          } else if (option.startsWith(PREFIX) && !Set.of(CONNECTOR.key(), FOLDER.key(), KEY.key()).contains(option)) {
            throw new ValidationException(
                String.format(
                    "table '%s': unknown option '%s'; there is: %s, %s, %s", name, option, CONNECTOR.key(), FOLDER.key(), KEY.key()));
          }
        });
    String connector = given.get(CONNECTOR.key());
    if (connector == null) {
      throw new ValidationException(
          String.format("table '%s': option '%s' is missing: it names the connector, such as 'filesystem'", name, CONNECTOR.key()));
    }
    options.put(FactoryUtil.CONNECTOR.key(), connector);
    RowType row = (RowType) context.getPhysicalRowDataType().getLogicalType();
    Declaration declaration =
        new Declaration(
            name,
            given.getOrDefault(FOLDER.key(), FOLDER.defaultValue()),
            given.getOrDefault(KEY.key(), KEY.defaultValue()),
            row.getFieldNames(),
            row.getChildren(),
            options);
    try {
      NativeTable.check(declaration.forNative());
    } catch (TidegateException error) {
      throw new ValidationException(error.getMessage(), error);
    }
    return declaration;
  }
}
