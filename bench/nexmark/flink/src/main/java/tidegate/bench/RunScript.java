package tidegate.bench;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;

/** Runs the statements of a script one after the other, each to its end, and prints how many rows came out. */
public final class RunScript {
  private RunScript() {}

  public static void main(String[] arguments) throws Exception {
    TableEnvironment tables = TableEnvironment.create(EnvironmentSettings.inStreamingMode());
    // The bench's own scripts have no semicolon within a statement.
    for (String part : Files.readString(Path.of(arguments[0])).split(";")) {
      String statement = part.strip();
      if (statement.isEmpty()) {
        continue;
      }
      if (statement.toUpperCase(Locale.ROOT).startsWith("SET ")) {
        String[] words = statement.split("'");
        tables.getConfig().set(words[1], words[3]);
        continue;
      }
      TableResult result = tables.executeSql(statement);
      if (statement.toUpperCase(Locale.ROOT).startsWith("INSERT ")) {
        result.await();
      }
    }
    System.out.println("{\"rows\": " + CountingSinkFactory.ROWS.get() + "}");
    // What is left of the cluster is not waited for.
    System.exit(0);
  }
}
