package tidegate.flink.model;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** A column that a model reads or gives. */
record ModelColumn(String name, Kind kind) {
  /** What a column holds. */
  enum Kind {
    NUMBER("a number"),
    INTEGER("BIGINT or INT"),
    BOOLEAN("BOOLEAN"),
    TEXT("STRING"),
    MAP("MAP<STRING, DOUBLE>");

    /** In the words of SQL. */
    final String words;

    Kind(String words) {
      this.words = words;
    }
  }

  /** The columns of one side, {@code input} or {@code output}, of what a {@link NativeModel} says of itself. */
  static List<ModelColumn> of(String description, String side) {
    List<ModelColumn> columns = new ArrayList<>();
    for (String line : description.split("\n")) {
      String[] parts = line.split("\t", 3);
      if (parts[0].equals(side)) {
        columns.add(new ModelColumn(parts[2], Kind.valueOf(parts[1].toUpperCase(Locale.ROOT))));
      }
    }
    return columns;
  }
}
