package tidegate.flink.model;

import java.util.Set;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.table.catalog.Catalog;
import org.apache.flink.table.factories.CatalogFactory;
import org.apache.flink.table.factories.FactoryUtil;

/** {@code CREATE CATALOG trained WITH ('type' = 'tidegate', 'registry' = '/shared/tidegate/models')} */
public final class TidegateCatalogFactory implements CatalogFactory {
  @Override
  public String factoryIdentifier() {
    return "tidegate";
  }

  @Override
  public Set<ConfigOption<?>> requiredOptions() {
    return Set.of(TidegateModelProviderFactory.REGISTRY);
  }

  @Override
  public Set<ConfigOption<?>> optionalOptions() {
    return Set.of(TidegateModelProviderFactory.RELOAD_INTERVAL);
  }

  @Override
  public Catalog createCatalog(Context context) {
    FactoryUtil.CatalogFactoryHelper helper = FactoryUtil.createCatalogFactoryHelper(this, context);
    helper.validate();
    return new TidegateCatalog(
        context.getName(),
        helper.getOptions().get(TidegateModelProviderFactory.REGISTRY),
        helper.getOptions().get(TidegateModelProviderFactory.RELOAD_INTERVAL));
  }
}
