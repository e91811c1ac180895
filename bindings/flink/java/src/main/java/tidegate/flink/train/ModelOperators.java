package tidegate.flink.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.apache.flink.api.dag.Transformation;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.Schema;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.table.catalog.ResolvedSchema;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.LocalZonedTimestampType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.TimestampType;
import org.apache.flink.table.types.utils.TypeConversions;
import tidegate.flink.TidegateException;
import tidegate.flink.batch.Form;
import tidegate.flink.batch.Layout;
import tidegate.flink.batch.RowReader;
import tidegate.flink.report.ReportOperator;

/**
 * Puts ML functions into a job: a query, an operator over its rows, and a temporary view over what comes of it.
 *
 * <pre>
 * {"view": "…", "input": "SELECT …", "function": "ML_TRAIN", "name": "ML_TRAIN intent", "columns": [{"name": "price", "form": "NUMBER"}],
 *  "outputs": [{"name": "predicted", "type": "BOOLEAN"}], "event_time": "ts", "in_order": true, "sorted_by": null, "replicas": 0,
 *  "task": {…}}
 * </pre>
 *
 * {@code task} is for native code alone. {@code in_order}: the query runs with parallelism 1, so that its rows come in the order in which
 * its sources give them. {@code sorted_by}: rows come in the order of that event time, however their sources give them. {@code replicas}:
 * so many learn in tasks of their own.
 */
public final class ModelOperators {
  /** Functions whose rows are a report over all rows. */
  private static final Set<String> REPORTS =
      Set.of(
          "ML_EVALUATE", "ML_CONFUSION_MATRIX", "ML_ROC_CURVE", "ML_RELIABILITY", "ML_BEST_THRESHOLD");

  private ModelOperators() {}

  /** Adds an operator, and the view over it. */
  public static void add(StreamTableEnvironment tables, JsonNode operator) {
    String function = operator.get("function").asText();
    Table input = tables.sqlQuery(operator.get("input").asText());
    ResolvedSchema schema = input.getResolvedSchema();
    List<LogicalType> inputs = schema.getColumnDataTypes().stream().map(DataType::getLogicalType).toList();
    List<String> names = schema.getColumnNames();

    List<JsonNode> columns = list(operator.get("columns"));
    int[] places = new int[columns.size()];
    List<LogicalType> types = new ArrayList<>();
    List<Form> forms = new ArrayList<>();
    for (int i = 0; i < places.length; i++) {
      String name = columns.get(i).get("name").asText();
      Form form = Form.valueOf(columns.get(i).get("form").asText());
      places[i] = names.indexOf(name);
      if (places[i] < 0) {
        throw new TidegateException(String.format("%s: its input has no column '%s'; its columns are %s", function, name, names));
      }
      LogicalType type = inputs.get(places[i]);
      if (!form.takes(type)) {
        throw new TidegateException(
            String.format("%s: column '%s' is %s in Flink, where %s was expected", function, name, type.asSummaryString(), form));
      }
      types.add(type);
      forms.add(form);
    }

    List<DataType> outputs = new ArrayList<>();
    List<String> outputNames = new ArrayList<>();
    for (JsonNode output : list(operator.get("outputs"))) {
      outputs.add(outputType(output.get("type").asText()));
      outputNames.add(output.get("name").asText());
    }

    RowReader reader = new RowReader(places, types, forms);
    Layout layout = new Layout(inputs, reader, outputs.stream().map(DataType::getLogicalType).toList());
    String task = operator.get("task").toString();
    DataStream<RowData> rows = rows(tables, input, operator.get("in_order").asBoolean());
    RowType type = rowType(inputs, names, outputs, outputNames);
    String name = operator.get("name").asText();
    JsonNode eventTime = operator.get("event_time");
    Schema view = viewSchema(schema, outputNames, outputs, eventTime == null || eventTime.isNull() ? null : eventTime.asText());
    String viewName = "`" + operator.get("view").asText().replace("`", "``") + "`";
    int replicas = operator.path("replicas").asInt();
    if (replicas > 0) {
      long syncRows = operator.get("sync_rows").asLong();
      ReplicaOperatorFactory factory = new ReplicaOperatorFactory(task, replicas, syncRows, layout);
      // What rows are spread by is read last.
      int first = places.length - operator.get("task").get("shards").size();
      LogicalType[] shardTypes = types.subList(first, types.size()).toArray(LogicalType[]::new);
      DataStream<RowData> spread = Spread.over(rows, Arrays.copyOfRange(places, first, places.length), shardTypes);
      tables.createTemporaryView(viewName, replicated(spread, name, InternalTypeInfo.of(type), factory, task, replicas), view);
      return;
    }
    if (REPORTS.contains(function)) {
      List<LogicalType> given = layout.outputs();
      RowType reported = rowType(List.of(), List.of(), outputs, outputNames);
      SingleOutputStreamOperator<RowData> report =
          rows.transform(name, InternalTypeInfo.of(reported), new ReportOperator(task, reader, given)).uid(name);
      report.setParallelism(1).setMaxParallelism(1);
      tables.createTemporaryView(viewName, report, viewSchema(ResolvedSchema.of(), outputNames, outputs, null));
      return;
    }
    BatchedOperator<?> made =
        switch (function) {
          case "ML_TRAIN", "CREATE MODEL" -> new TrainOperator(task, layout);
          case "ML_PREDICT" -> new PredictOperator(task, layout);
          default -> throw new TidegateException("there is no operator " + function);
        };

    JsonNode sortedBy = operator.path("sorted_by");
    if (sortedBy.isTextual()) {
      rows = InTimeOrder.sort(rows, inputs, names.indexOf(sortedBy.asText()), name + ", its rows in order");
    }
    SingleOutputStreamOperator<RowData> result = rows.transform(name, InternalTypeInfo.of(type), made).uid(name);
    if (made instanceof TrainOperator) {
      result.setParallelism(1).setMaxParallelism(1);
    } else if (operator.get("in_order").asBoolean()) {
      result.setParallelism(1);
    }
    tables.createTemporaryView(viewName, result, view);
  }

  /** Replicas in tasks of their own, and the one that puts together what they have learned, which gives no rows. */
  private static DataStream<RowData> replicated(
      DataStream<RowData> rows, String name, InternalTypeInfo<RowData> type, ReplicaOperatorFactory factory, String task, int replicas) {
    // How many there are is part of the model's meaning.
    SingleOutputStreamOperator<RowData> learned =
        rows.transform(name, type, factory).uid(name).setParallelism(replicas).setMaxParallelism(replicas);
    SingleOutputStreamOperator<RowData> merged = learned
        .getSideOutput(ReplicaOperator.LEARNED)
        .transform(name + " merged", type, new MergeOperator(task, replicas))
        .uid(name + " merged")
        .setParallelism(1)
        .setMaxParallelism(1);
    return learned.union(merged);
  }

  private static List<JsonNode> list(JsonNode array) {
    List<JsonNode> list = new ArrayList<>();
    array.forEach(list::add);
    return list;
  }

  /** The rows of a query as they are inside of Flink, not converted. */
  private static DataStream<RowData> rows(StreamTableEnvironment tables, Table input, boolean inOrder) {
    DataType type = input.getResolvedSchema().toPhysicalRowDataType().bridgedTo(RowData.class);
    DataStream<RowData> rows = tables.toDataStream(input, type);
    if (inOrder) {
      // All that is on the way, and not for a scheduler to change.
      for (Transformation<?> step : rows.getTransformation().getTransitivePredecessors()) {
        step.setParallelism(1, true);
      }
    }
    return rows;
  }

  private static DataType outputType(String type) {
    return switch (type) {
      case "BOOLEAN" -> DataTypes.BOOLEAN();
      case "BIGINT" -> DataTypes.BIGINT();
      case "DOUBLE" -> DataTypes.DOUBLE();
      case "STRING" -> DataTypes.STRING();
      case "MAP<STRING, DOUBLE>" -> DataTypes.MAP(DataTypes.STRING(), DataTypes.DOUBLE());
      default -> throw new TidegateException("a model does not give " + type);
    };
  }

  private static RowType rowType(List<LogicalType> inputs, List<String> names, List<DataType> outputs, List<String> outputNames) {
    List<RowType.RowField> fields = new ArrayList<>();
    for (int i = 0; i < inputs.size(); i++) {
      fields.add(new RowType.RowField(names.get(i), inputs.get(i)));
    }
    for (int i = 0; i < outputs.size(); i++) {
      fields.add(new RowType.RowField(outputNames.get(i), outputs.get(i).getLogicalType()));
    }
    return new RowType(fields);
  }

  /** The view's columns; its event time stays one, with the watermarks of the stream. */
  private static Schema viewSchema(ResolvedSchema input, List<String> names, List<DataType> outputs, String eventTime) {
    Schema.Builder schema = Schema.newBuilder();
    for (Column column : input.getColumns()) {
      DataType type = column.getDataType();
      if (column.getName().equals(eventTime)) {
        // A column that is an event time already cannot become one.
        type = TypeConversions.fromLogicalToDataType(plain(type.getLogicalType()));
      }
      schema.column(column.getName(), type);
    }
    for (int i = 0; i < names.size(); i++) {
      schema.column(names.get(i), outputs.get(i));
    }
    if (eventTime != null) {
      schema.watermark(eventTime, "SOURCE_WATERMARK()");
    }
    return schema.build();
  }

  private static LogicalType plain(LogicalType type) {
    if (type instanceof TimestampType time) {
      return new TimestampType(time.isNullable(), time.getPrecision());
    }
    if (type instanceof LocalZonedTimestampType time) {
      return new LocalZonedTimestampType(time.isNullable(), time.getPrecision());
    }
    return type;
  }
}
