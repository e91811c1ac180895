package tidegate.flink.model;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.Schema;
import org.apache.flink.table.catalog.AbstractCatalog;
import org.apache.flink.table.catalog.CatalogBaseTable;
import org.apache.flink.table.catalog.CatalogDatabase;
import org.apache.flink.table.catalog.CatalogDatabaseImpl;
import org.apache.flink.table.catalog.CatalogFunction;
import org.apache.flink.table.catalog.CatalogModel;
import org.apache.flink.table.catalog.CatalogPartition;
import org.apache.flink.table.catalog.CatalogPartitionSpec;
import org.apache.flink.table.catalog.ModelChange;
import org.apache.flink.table.catalog.ObjectPath;
import org.apache.flink.table.catalog.exceptions.CatalogException;
import org.apache.flink.table.catalog.exceptions.DatabaseNotExistException;
import org.apache.flink.table.catalog.exceptions.FunctionNotExistException;
import org.apache.flink.table.catalog.exceptions.ModelNotExistException;
import org.apache.flink.table.catalog.exceptions.PartitionNotExistException;
import org.apache.flink.table.catalog.exceptions.TableNotExistException;
import org.apache.flink.table.catalog.stats.CatalogColumnStatistics;
import org.apache.flink.table.catalog.stats.CatalogTableStatistics;
import org.apache.flink.table.expressions.Expression;
import org.apache.flink.table.types.DataType;
import tidegate.flink.TidegateException;

/**
 * The models of a registry, which are read only: one database, {@code default}, without tables and functions. A name may have a version or
 * an alias, as in {@code `intent$3`}.
 */
final class TidegateCatalog extends AbstractCatalog {
  private static final String DATABASE = "default";

  private final String registry;
  private final Duration reloadInterval;

  TidegateCatalog(String name, String registry, Duration reloadInterval) {
    super(name, DATABASE);
    this.registry = registry;
    this.reloadInterval = reloadInterval;
  }

  @Override
  public void open() {
    // A registry that is not there is told now.
    names();
  }

  @Override
  public void close() {}

  private List<String> names() {
    try {
      return NativeRegistry.names(registry);
    } catch (TidegateException error) {
      throw new CatalogException(String.format("catalog '%s': %s", getName(), error.getMessage()), error);
    }
  }

  @Override
  public List<String> listModels(String database) throws DatabaseNotExistException {
    getDatabase(database);
    return names();
  }

  @Override
  public CatalogModel getModel(ObjectPath path) throws ModelNotExistException {
    if (!databaseExists(path.getDatabaseName())) {
      throw new ModelNotExistException(getName(), path);
    }
    String reference = path.getObjectName();
    try (NativeModel model = new NativeModel(registry, reference, 1)) {
      Map<String, String> options =
          Map.of(
              "provider", "tidegate",
              TidegateModelProviderFactory.REGISTRY.key(), registry,
              TidegateModelProviderFactory.VERSION.key(), reference,
              TidegateModelProviderFactory.RELOAD_INTERVAL.key(), reloadInterval.toMillis() + " ms");
      return CatalogModel.of(schema(model.inputs()), schema(model.outputs()), options, "version " + model.version());
    } catch (TidegateException error) {
      throw new ModelNotExistException(getName(), path, error);
    }
  }

  private static Schema schema(List<ModelColumn> columns) {
    Schema.Builder schema = Schema.newBuilder();
    columns.forEach(column -> schema.column(column.name(), type(column.kind())));
    return schema.build();
  }

  private static DataType type(ModelColumn.Kind kind) {
    return switch (kind) {
      case NUMBER -> DataTypes.DOUBLE();
      case INTEGER -> DataTypes.BIGINT();
      case BOOLEAN -> DataTypes.BOOLEAN();
      case TEXT -> DataTypes.STRING();
      case MAP -> DataTypes.MAP(DataTypes.STRING(), DataTypes.DOUBLE());
    };
  }

  @Override
  public boolean modelExists(ObjectPath path) {
    try {
      getModel(path);
      return true;
    } catch (ModelNotExistException error) {
      return false;
    }
  }

  @Override
  public List<String> listDatabases() {
    return List.of(DATABASE);
  }

  @Override
  public CatalogDatabase getDatabase(String database) throws DatabaseNotExistException {
    if (!databaseExists(database)) {
      throw new DatabaseNotExistException(getName(), database);
    }
    return new CatalogDatabaseImpl(Map.of(), "the models of " + registry);
  }

  @Override
  public boolean databaseExists(String database) {
    return DATABASE.equals(database);
  }

  private CatalogException readOnly() {
    return new CatalogException(
        String.format("catalog '%s' shows the models of a registry, and nothing can be changed in it: `tidegate run` registers models", getName()));
  }

  @Override
  public void createDatabase(String database, CatalogDatabase definition, boolean ignoreIfExists) {
    throw readOnly();
  }

  @Override
  public void dropDatabase(String database, boolean ignoreIfNotExists, boolean cascade) {
    throw readOnly();
  }

  @Override
  public void alterDatabase(String database, CatalogDatabase definition, boolean ignoreIfNotExists) {
    throw readOnly();
  }

  @Override
  public void createModel(ObjectPath path, CatalogModel model, boolean ignoreIfExists) {
    throw readOnly();
  }

  @Override
  public void alterModel(ObjectPath path, CatalogModel model, boolean ignoreIfNotExists) {
    throw readOnly();
  }

  @Override
  public void alterModel(ObjectPath path, CatalogModel model, List<ModelChange> changes, boolean ignoreIfNotExists) {
    throw readOnly();
  }

  @Override
  public void renameModel(ObjectPath path, String name, boolean ignoreIfNotExists) {
    throw readOnly();
  }

  @Override
  public void dropModel(ObjectPath path, boolean ignoreIfNotExists) {
    throw readOnly();
  }

  @Override
  public void createTable(ObjectPath path, CatalogBaseTable table, boolean ignoreIfExists) {
    throw readOnly();
  }

  @Override
  public void alterTable(ObjectPath path, CatalogBaseTable table, boolean ignoreIfNotExists) {
    throw readOnly();
  }

  @Override
  public void renameTable(ObjectPath path, String name, boolean ignoreIfNotExists) {
    throw readOnly();
  }

  @Override
  public void dropTable(ObjectPath path, boolean ignoreIfNotExists) {
    throw readOnly();
  }

  @Override
  public void createPartition(ObjectPath path, CatalogPartitionSpec spec, CatalogPartition partition, boolean ignoreIfExists) {
    throw readOnly();
  }

  @Override
  public void dropPartition(ObjectPath path, CatalogPartitionSpec spec, boolean ignoreIfNotExists) {
    throw readOnly();
  }

  @Override
  public void alterPartition(ObjectPath path, CatalogPartitionSpec spec, CatalogPartition partition, boolean ignoreIfNotExists) {
    throw readOnly();
  }

  @Override
  public void createFunction(ObjectPath path, CatalogFunction function, boolean ignoreIfExists) {
    throw readOnly();
  }

  @Override
  public void alterFunction(ObjectPath path, CatalogFunction function, boolean ignoreIfNotExists) {
    throw readOnly();
  }

  @Override
  public void dropFunction(ObjectPath path, boolean ignoreIfNotExists) {
    throw readOnly();
  }

  @Override
  public void alterTableStatistics(ObjectPath path, CatalogTableStatistics statistics, boolean ignoreIfNotExists) {
    throw readOnly();
  }

  @Override
  public void alterTableColumnStatistics(ObjectPath path, CatalogColumnStatistics statistics, boolean ignoreIfNotExists) {
    throw readOnly();
  }

  @Override
  public void alterPartitionStatistics(ObjectPath path, CatalogPartitionSpec spec, CatalogTableStatistics statistics, boolean ignoreIfNotExists) {
    throw readOnly();
  }

  @Override
  public void alterPartitionColumnStatistics(ObjectPath path, CatalogPartitionSpec spec, CatalogColumnStatistics statistics, boolean ignoreIfNotExists) {
    throw readOnly();
  }

  // What there is none of.

  @Override
  public List<String> listTables(String database) throws DatabaseNotExistException {
    getDatabase(database);
    return List.of();
  }

  @Override
  public List<String> listViews(String database) throws DatabaseNotExistException {
    getDatabase(database);
    return List.of();
  }

  @Override
  public CatalogBaseTable getTable(ObjectPath path) throws TableNotExistException {
    throw new TableNotExistException(getName(), path);
  }

  @Override
  public boolean tableExists(ObjectPath path) {
    return false;
  }

  @Override
  public List<String> listFunctions(String database) throws DatabaseNotExistException {
    getDatabase(database);
    return List.of();
  }

  @Override
  public CatalogFunction getFunction(ObjectPath path) throws FunctionNotExistException {
    throw new FunctionNotExistException(getName(), path);
  }

  @Override
  public boolean functionExists(ObjectPath path) {
    return false;
  }

  @Override
  public List<CatalogPartitionSpec> listPartitions(ObjectPath path) throws TableNotExistException {
    throw new TableNotExistException(getName(), path);
  }

  @Override
  public List<CatalogPartitionSpec> listPartitions(ObjectPath path, CatalogPartitionSpec spec) throws TableNotExistException {
    throw new TableNotExistException(getName(), path);
  }

  @Override
  public List<CatalogPartitionSpec> listPartitionsByFilter(ObjectPath path, List<Expression> filters) throws TableNotExistException {
    throw new TableNotExistException(getName(), path);
  }

  @Override
  public CatalogPartition getPartition(ObjectPath path, CatalogPartitionSpec spec) throws PartitionNotExistException {
    throw new PartitionNotExistException(getName(), path, spec);
  }

  @Override
  public boolean partitionExists(ObjectPath path, CatalogPartitionSpec spec) {
    return false;
  }

  @Override
  public CatalogTableStatistics getTableStatistics(ObjectPath path) throws TableNotExistException {
    throw new TableNotExistException(getName(), path);
  }

  @Override
  public CatalogColumnStatistics getTableColumnStatistics(ObjectPath path) throws TableNotExistException {
    throw new TableNotExistException(getName(), path);
  }

  @Override
  public CatalogTableStatistics getPartitionStatistics(ObjectPath path, CatalogPartitionSpec spec) throws PartitionNotExistException {
    throw new PartitionNotExistException(getName(), path, spec);
  }

  @Override
  public CatalogColumnStatistics getPartitionColumnStatistics(ObjectPath path, CatalogPartitionSpec spec) throws PartitionNotExistException {
    throw new PartitionNotExistException(getName(), path, spec);
  }
}
