package tidegate.flink.table;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.table.types.logical.LogicalType;

/** What CREATE TABLE says of a table of ours: {@code options} are those of the connector, with {@code folder} for relative paths. */
record Declaration(
    String name, String folder, String key, List<String> columns, List<LogicalType> types, Map<String, String> options)
    implements Serializable {
  private static final long serialVersionUID = 1L;

  Declaration {
    columns = new ArrayList<>(columns);
    types = new ArrayList<>(types);
    options = new TreeMap<>(options);
  }

  /** As native code takes it: name, folder, the number of columns, the name and type of each, the key and value of each option. */
  String[] forNative() {
    List<String> texts = new ArrayList<>(List.of(name, folder, Integer.toString(columns.size())));
    for (int column = 0; column < columns.size(); column++) {
      texts.add(columns.get(column));
      // Whether NULL is allowed is no part of it.
      texts.add(types.get(column).copy(true).asSerializableString());
    }
    options.forEach((option, value) -> texts.addAll(List.of(option, value)));
    return texts.toArray(String[]::new);
  }
}
