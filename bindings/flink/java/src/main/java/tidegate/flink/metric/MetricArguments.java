package tidegate.flink.metric;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.functions.FunctionDefinition;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.inference.ArgumentCount;
import org.apache.flink.table.types.inference.CallContext;
import org.apache.flink.table.types.inference.ConstantArgumentCount;
import org.apache.flink.table.types.inference.InputTypeStrategy;
import org.apache.flink.table.types.inference.Signature;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeFamily;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import tidegate.flink.TidegateException;

/** What a metric takes, as native code decides it: the types of its columns, and the literals after them. */
final class MetricArguments implements InputTypeStrategy {
  private final String metric;
  private final int columns;
  private final String takes;

  MetricArguments(String metric, int columns, String takes) {
    this.metric = metric;
    this.columns = columns;
    this.takes = takes;
  }

  @Override
  public ArgumentCount getArgumentCount() {
    // Native code counts, so that the refusal is in its words.
    return ConstantArgumentCount.any();
  }

  @Override
  public Optional<List<DataType>> inferInputTypes(CallContext call, boolean throwOnFailure) {
    try {
      return Optional.of(infer(call));
    } catch (TidegateException refusal) {
      return call.fail(throwOnFailure, "%s", refusal.getMessage());
    }
  }

  private List<DataType> infer(CallContext call) {
    List<LogicalType> given = call.getArgumentDataTypes().stream().map(DataType::getLogicalType).toList();
    String[] roots = given.stream().map(type -> type.getTypeRoot().name()).toArray(String[]::new);
    List<DataType> types = new ArrayList<>();
    for (String form : NativeMetric.forms(metric, roots).split(" ")) {
      types.add(
          switch (form) {
            case "boolean" -> DataTypes.BOOLEAN();
            case "integer" -> DataTypes.BIGINT();
            case "text" -> DataTypes.STRING().bridgedTo(StringData.class);
            default -> DataTypes.DOUBLE();
          });
    }
    given.stream().skip(columns).map(this::parameterType).forEach(types::add);
    if (knowsLiterals(call)) {
      String[] parameters = new String[given.size() - columns];
      for (int i = 0; i < parameters.length; i++) {
        parameters[i] = literal(value(call, columns + i, given.get(columns + i)));
      }
      NativeMetric.check(metric, parameters);
    }
    return types;
  }

  /** While a plan is optimised, arguments are places in a row, and Flink refuses the question; literals are checked before that. */
  private boolean knowsLiterals(CallContext call) {
    try {
      if (call.getArgumentDataTypes().size() > columns) {
        call.isArgumentLiteral(columns);
      }
      return true;
    } catch (UnsupportedOperationException unknown) {
      return false;
    }
  }

  private DataType parameterType(LogicalType type) {
    if (type.is(LogicalTypeFamily.NUMERIC)) {
      return DataTypes.DOUBLE();
    } else if (type.is(LogicalTypeFamily.CHARACTER_STRING)) {
      return DataTypes.STRING().bridgedTo(StringData.class);
    } else if (type.is(LogicalTypeRoot.BOOLEAN)) {
      return DataTypes.BOOLEAN();
    }
    throw new TidegateException(String.format("%s takes %s, but was given %s as a literal", metric, takes, type.asSummaryString()));
  }

  private Object value(CallContext call, int place, LogicalType type) {
    Optional<?> value = Optional.empty();
    if (call.isArgumentLiteral(place) && !call.isArgumentNull(place)) {
      Class<?> as =
          type.is(LogicalTypeFamily.NUMERIC) ? BigDecimal.class : type.is(LogicalTypeRoot.BOOLEAN) ? Boolean.class : String.class;
      value = call.getArgumentValue(place, as);
    }
    return value.orElseThrow(() -> new TidegateException(String.format("%s: what follows its columns must be literals %s", metric, takes)));
  }

  /** A literal for native code. */
  static String literal(Object value) {
    if (value instanceof Number number) {
      return "number:" + number.doubleValue();
    } else if (value instanceof Boolean flag) {
      return "flag:" + flag;
    }
    return "text:" + value;
  }

  @Override
  public List<Signature> getExpectedSignatures(FunctionDefinition definition) {
    return List.of(Signature.of(Signature.Argument.of(takes.substring(1, takes.length() - 1))));
  }
}
