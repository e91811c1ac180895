package tidegate.flink.metric;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.flink.table.functions.FunctionDefinition;
import org.apache.flink.table.module.Module;

/** Tidegate's functions for any statement: {@code LOAD MODULE tidegate}. */
public final class TidegateModule implements Module {
  private final Map<String, FunctionDefinition> functions = new LinkedHashMap<>();

  public TidegateModule() {
    MetricFunction.all().forEach(metric -> functions.put(metric.name(), metric));
  }

  @Override
  public Set<String> listFunctions() {
    return functions.keySet();
  }

  @Override
  public Optional<FunctionDefinition> getFunctionDefinition(String name) {
    return Optional.ofNullable(functions.get(name.toUpperCase(Locale.ROOT)));
  }
}
