package tidegate.flink.model;

import java.util.List;
import java.util.stream.IntStream;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeFamily;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.table.types.logical.MapType;
import tidegate.flink.batch.Form;
import tidegate.flink.batch.RowReader;

/** What CREATE MODEL declares, held against what a model of the registry reads and gives. */
final class ModelTypes {
  private ModelTypes() {}

  /** Reads columns of these types, the first of a row, if they are what the model reads. */
  static RowReader reader(String model, List<ModelColumn> columns, List<LogicalType> types) {
    if (types.size() != columns.size()) {
      throw new ValidationException(
          String.format("model '%s' reads %d columns, but its INPUT declares %d", model, columns.size(), types.size()));
    }
    List<Form> forms = columns.stream().map(ModelTypes::form).toList();
    for (int i = 0; i < types.size(); i++) {
      if (!forms.get(i).takes(types.get(i))) {
        ModelColumn column = columns.get(i);
        throw new ValidationException(
            String.format(
                "model '%s', INPUT column %d: the model reads '%s' as %s, but %s is declared",
                model, i + 1, column.name(), column.kind().words, types.get(i).asSummaryString()));
      }
    }
    return new RowReader(IntStream.range(0, types.size()).toArray(), types, forms);
  }

  private static Form form(ModelColumn column) {
    return switch (column.kind()) {
      case NUMBER -> Form.NUMBER;
      case BOOLEAN -> Form.BOOLEAN;
      case TEXT -> Form.TEXT;
      case INTEGER, MAP -> throw new IllegalStateException("a model does not read " + column.kind().words);
    };
  }

  /** Refuses types that are not what the model gives. */
  static void checkOutputs(String model, List<ModelColumn> columns, List<LogicalType> types) {
    if (types.size() != columns.size()) {
      throw new ValidationException(
          String.format("model '%s' gives %d columns, but its OUTPUT declares %d", model, columns.size(), types.size()));
    }
    for (int i = 0; i < types.size(); i++) {
      ModelColumn column = columns.get(i);
      if (!fits(column.kind(), types.get(i))) {
        String words = column.kind() == ModelColumn.Kind.NUMBER ? "DOUBLE" : column.kind().words;
        throw new ValidationException(
            String.format(
                "model '%s', OUTPUT column %d: the model gives '%s' as %s, but %s is declared",
                model, i + 1, column.name(), words, types.get(i).asSummaryString()));
      }
    }
  }

  private static boolean fits(ModelColumn.Kind kind, LogicalType type) {
    return switch (kind) {
      case NUMBER -> type.is(LogicalTypeRoot.DOUBLE);
      case INTEGER -> type.is(LogicalTypeRoot.BIGINT) || type.is(LogicalTypeRoot.INTEGER);
      case BOOLEAN -> type.is(LogicalTypeRoot.BOOLEAN);
      case TEXT -> type.is(LogicalTypeFamily.CHARACTER_STRING);
      case MAP -> type instanceof MapType map
          && map.getKeyType().is(LogicalTypeFamily.CHARACTER_STRING)
          && map.getValueType().is(LogicalTypeRoot.DOUBLE);
    };
  }
}
