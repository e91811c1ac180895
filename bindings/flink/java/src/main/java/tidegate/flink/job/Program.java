package tidegate.flink.job;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.JobExecutionResult;
import org.apache.flink.api.common.RuntimeExecutionMode;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExecutionOptions;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonProcessingException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.bridge.java.StreamStatementSet;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import tidegate.flink.TidegateException;
import tidegate.flink.metric.TidegateModule;

/**
 * A job that {@code tidegate submit} has made of a script: a program as JSON, which is one job of Flink.
 *
 * <pre>{@code
 * {
 *   "name": "INSERT INTO quality",
 *   "mode": "streaming",
 *   "settings": {"parallelism.default": "4"},
 *   "statements": [{"sql": "CREATE TABLE …"}, …],
 *   "inserts": ["INSERT INTO …", …]
 * }
 * }</pre>
 *
 * <p>The argument is that text, or {@code @} and the path of a file with it. A job that was submitted to a cluster runs this in the job
 * manager, where nobody may wait for it; with {@code --wait} as a second argument, for a process of its own, the job's end is waited for.
 */
public final class Program {
  private static final String WAIT = "--wait";

  private final String name;
  private final boolean batch;
  private final Map<String, String> settings;
  private final List<Step> steps;
  private final List<String> inserts;

  private Program(JsonNode program) {
    name = text(program, "name");
    batch = switch (text(program, "mode")) {
      case "batch" -> true;
      case "streaming" -> false;
      default -> throw new TidegateException("the program's mode is '" + text(program, "mode") + "'; expected streaming or batch");
    };
    settings = new HashMap<>();
    program.path("settings").properties().forEach(setting -> settings.put(setting.getKey(), setting.getValue().asText()));
    steps = new ArrayList<>();
    program.path("statements").forEach(statement -> steps.add(Step.of(statement)));
    inserts = new ArrayList<>();
    program.path("inserts").forEach(insert -> inserts.add(insert.asText()));
    if (inserts.isEmpty()) {
      throw new TidegateException("the program has nothing to insert, so it is no job");
    }
  }

  public static void main(String[] arguments) {
    boolean waits = arguments.length == 2 && arguments[1].equals(WAIT);
    if (arguments.length != 1 && !waits) {
      throw new TidegateException("expected a program as JSON, or @ and its file, and then " + WAIT + " or nothing");
    }
    if (!waits) {
      parse(arguments[0]).start();
      return;
    }
    try {
      JobClient job = parse(arguments[0]).start();
      try {
        JobExecutionResult result = job.getJobExecutionResult().get();
        System.out.println("{\"milliseconds\": " + result.getNetRuntime() + "}");
      } catch (Exception error) {
        throw new TidegateException(Reason.of(error), error);
      }
    } catch (TidegateException error) {
      System.err.println("error: " + error.getMessage());
      // Threads of the failed job may be left.
      System.exit(1);
    }
  }

  private static Program parse(String argument) {
    String text = argument.startsWith("@") ? read(Path.of(argument.substring(1))) : argument;
    JsonNode program;
    try {
      program = new ObjectMapper().readTree(text);
    } catch (JsonProcessingException error) {
      throw new TidegateException("the program is not JSON: " + error.getOriginalMessage(), error);
    }
    return new Program(program);
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException error) {
      throw new TidegateException("the program's file " + file + " cannot be read: " + Reason.of(error), error);
    }
  }

  /** Starts the job and returns as soon as it is submitted. */
  private JobClient start() {
    Configuration configuration = Configuration.fromMap(settings);
    configuration.set(PipelineOptions.NAME, name);
    configuration.set(ExecutionOptions.RUNTIME_MODE, batch ? RuntimeExecutionMode.BATCH : RuntimeExecutionMode.STREAMING);
    // What the operators of a program need besides SQL are data streams.
    StreamExecutionEnvironment streams = StreamExecutionEnvironment.getExecutionEnvironment(configuration);
    EnvironmentSettings environment = EnvironmentSettings.newInstance().withConfiguration(configuration).build();
    StreamTableEnvironment tables = StreamTableEnvironment.create(streams, environment);
    tables.loadModule("tidegate", new TidegateModule());
    for (Step step : steps) {
      try {
        step.run(tables);
      } catch (Exception error) {
        throw failed(step.summary(), error);
      }
    }
    StreamStatementSet set = tables.createStatementSet();
    for (String insert : inserts) {
      try {
        set.addInsertSql(insert);
      } catch (Exception error) {
        throw failed(Step.summary(insert), error);
      }
    }
    try {
      return inserted(streams, set);
    } catch (Exception error) {
      throw failed(inserts.size() == 1 ? Step.summary(inserts.get(0)) : name, error);
    }
  }

  /** The INSERT statements are one job together. */
  private JobClient inserted(StreamExecutionEnvironment streams, StreamStatementSet set) throws Exception {
    if (batch) {
      return set.execute().getJobClient().orElseThrow();
    }
    set.attachAsDataStream();
    Uids.assign(streams.getTransformations());
    return streams.executeAsync(name);
  }

  private static TidegateException failed(String summary, Exception error) {
    return new TidegateException(summary + ": " + Reason.of(error), error);
  }

  private static String text(JsonNode program, String field) {
    JsonNode value = program.path(field);
    if (!value.isTextual()) {
      throw new TidegateException("the program has no text '" + field + "'");
    }
    return value.asText();
  }
}
