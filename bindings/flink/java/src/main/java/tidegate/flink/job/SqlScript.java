package tidegate.flink.job;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.ResultKind;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;

/**
 * Runs a script of Flink SQL, a statement after the other: in this process when it is started plainly, on a cluster through {@code flink
 * run}. An INSERT is waited for, and what SHOW and DESCRIBE say is printed. A SET before all other statements may choose what is chosen
 * once, such as {@code execution.runtime-mode}.
 */
public final class SqlScript {
  private static final Pattern SET = Pattern.compile("(?is)SET\\s+'((?:[^']|'')*)'\\s*=\\s*'((?:[^']|'')*)'");

  private SqlScript() {}

  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 1) {
      System.err.println("usage: tidegate.flink.SqlScript SCRIPT");
      System.exit(2);
    }
    String script = Files.readString(Path.of(arguments[0]));
    Configuration settings = new Configuration();
    TableEnvironment tables = null;
    for (String statement : statements(script)) {
      Matcher setting = SET.matcher(statement);
      if (setting.matches() && tables == null) {
        settings.setString(text(setting.group(1)), text(setting.group(2)));
        continue;
      }
      if (tables == null) {
        tables = TableEnvironment.create(EnvironmentSettings.newInstance().withConfiguration(settings).build());
      }
      if (setting.matches()) {
        tables.getConfig().set(text(setting.group(1)), text(setting.group(2)));
        continue;
      }
      TableResult result = tables.executeSql(statement);
      if (result.getJobClient().isPresent()) {
        result.await();
      } else if (result.getResultKind() == ResultKind.SUCCESS_WITH_CONTENT) {
        result.print();
      }
    }
  }

  /** What a literal of SQL means. */
  private static String text(String literal) {
    return literal.replace("''", "'");
  }

  /** The statements of a script: what stands between semicolons that are in no text, name or comment. */
  static List<String> statements(String script) {
    List<String> statements = new ArrayList<>();
    StringBuilder statement = new StringBuilder();
    int at = 0;
    while (at < script.length()) {
      char c = script.charAt(at);
      int end;
      if (c == '\'' || c == '`' || c == '"') {
        int closing = script.indexOf(c, at + 1);
        end = closing < 0 ? script.length() : closing + 1;
        statement.append(script, at, end);
      } else if (script.startsWith("--", at)) {
        int line = script.indexOf('\n', at);
        end = line < 0 ? script.length() : line;
      } else if (script.startsWith("/*", at) && !script.startsWith("/*+", at)) {
        int closing = script.indexOf("*/", at + 2);
        end = closing < 0 ? script.length() : closing + 2;
      } else if (c == ';') {
        end = at + 1;
        add(statements, statement);
      } else {
        end = at + 1;
        statement.append(c);
      }
      at = end;
    }
    add(statements, statement);
    return statements;
  }

  private static void add(List<String> statements, StringBuilder statement) {
    String text = statement.toString().strip();
    if (!text.isEmpty()) {
      statements.add(text);
    }
    statement.setLength(0);
  }
}
