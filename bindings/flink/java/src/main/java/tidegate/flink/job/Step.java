package tidegate.flink.job;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import tidegate.flink.TidegateException;

/** What a program does before its INSERT statements: an object with one field, whose name is the kind of the step. */
interface Step {
  /** The most characters of a statement that a message repeats. */
  int SUMMARY_LENGTH_MAX = 60;

  void run(StreamTableEnvironment tables) throws Exception;

  /** How messages call it. */
  String summary();

  /** The step that a JSON object describes: a line for each kind. */
  static Step of(JsonNode statement) {
    String kind = statement.size() == 1 ? statement.fieldNames().next() : "";
    JsonNode value = statement.path(kind);
    return switch (kind) {
      case "sql" -> new Sql(value.asText());
      default -> throw new TidegateException(
          "this archive does not know the kind of step '" + kind + "', but sql: it is older or newer than the tidegate that submitted the job");
    };
  }

  /** The beginning of a statement, on one line. */
  static String summary(String statement) {
    String line = statement.strip().replaceAll("\\s+", " ");
    return line.length() <= SUMMARY_LENGTH_MAX ? line : line.substring(0, SUMMARY_LENGTH_MAX) + "…";
  }

  /** A statement of SQL that declares something. */
  record Sql(String statement) implements Step {
    @Override
    public void run(StreamTableEnvironment tables) {
      tables.executeSql(statement);
    }

    @Override
    public String summary() {
      return Step.summary(statement);
    }
  }
}
