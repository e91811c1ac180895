package tidegate.flink.model;

import java.time.Duration;
import java.util.List;
import java.util.Set;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.table.catalog.ResolvedSchema;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.factories.ModelProviderFactory;
import org.apache.flink.table.functions.PredictFunction;
import org.apache.flink.table.ml.ModelProvider;
import org.apache.flink.table.ml.PredictRuntimeProvider;
import org.apache.flink.table.types.logical.LogicalType;
import tidegate.flink.TidegateException;
import tidegate.flink.batch.RowReader;
import tidegate.flink.batch.RowWriter;

/**
 * Models of a Tidegate registry for Flink's own ML_PREDICT:
 *
 * <pre>
 * CREATE MODEL intent INPUT (page_value DOUBLE, visitor STRING) OUTPUT (predicted BOOLEAN, probability DOUBLE)
 * WITH ('provider' = 'tidegate', 'registry' = '/shared/tidegate/models');
 * SELECT * FROM ML_PREDICT(TABLE visits, MODEL intent, DESCRIPTOR(page_value, visitor));
 * </pre>
 */
public final class TidegateModelProviderFactory implements ModelProviderFactory {
  static final ConfigOption<String> REGISTRY =
      ConfigOptions.key("registry")
          .stringType()
          .noDefaultValue()
          .withDescription("The folder of the registry, which the client and every task manager have to see.");

  static final ConfigOption<String> VERSION =
      ConfigOptions.key("registry.model")
          .stringType()
          .noDefaultValue()
          .withDescription(
              "The model in the registry, with a version (intent$3) or an alias (intent$candidate) if wanted. By default the model's own"
                  + " name: its alias production if that is set, else its latest version.");

  static final ConfigOption<Duration> RELOAD_INTERVAL =
      ConfigOptions.key("registry.reload-interval")
          .durationType()
          .defaultValue(Duration.ofSeconds(10))
          .withDescription("How often a job looks for another version under that name; 0 s: never.");

  /** Flink's ML_EVALUATE asks for it. */
  static final ConfigOption<String> TASK = ConfigOptions.key("task").stringType().noDefaultValue();

  @Override
  public String factoryIdentifier() {
    return "tidegate";
  }

  @Override
  public Set<ConfigOption<?>> requiredOptions() {
    return Set.of(REGISTRY);
  }

  @Override
  public Set<ConfigOption<?>> optionalOptions() {
    return Set.of(VERSION, RELOAD_INTERVAL, TASK);
  }

  @Override
  public ModelProvider createModelProvider(Context context) {
    FactoryUtil.ModelProviderFactoryHelper helper = FactoryUtil.createModelProviderFactoryHelper(this, context);
    helper.validate();
    ReadableConfig options = helper.getOptions();
    String name = context.getObjectIdentifier().getObjectName();
    String reference = options.getOptional(VERSION).orElse(name);
    List<LogicalType> inputs = types(context.getCatalogModel().getResolvedInputSchema());
    List<LogicalType> outputs = types(context.getCatalogModel().getResolvedOutputSchema());
    RowReader reader;
    // What does not fit is told now, and not when the job runs.
    try (NativeModel model = new NativeModel(options.get(REGISTRY), reference, 1)) {
      reader = ModelTypes.reader(name, model.inputs(), inputs);
      ModelTypes.checkOutputs(name, model.outputs(), outputs);
    } catch (TidegateException error) {
      throw new ValidationException(String.format("model '%s': %s", name, error.getMessage()), error);
    }
    return new Provider(options.get(REGISTRY), reference, options.get(RELOAD_INTERVAL), reader, new RowWriter(outputs));
  }

  private static List<LogicalType> types(ResolvedSchema schema) {
    return schema.getColumns().stream().map(Column::getDataType).map(type -> type.getLogicalType()).toList();
  }

  private record Provider(String registry, String reference, Duration reloadInterval, RowReader reader, RowWriter writer)
      implements PredictRuntimeProvider {
    @Override
    public PredictFunction createPredictFunction(ModelProvider.Context context) {
      return new TidegatePredictFunction(registry, reference, reloadInterval, reader, writer);
    }

    @Override
    public ModelProvider copy() {
      return this;
    }
  }
}
