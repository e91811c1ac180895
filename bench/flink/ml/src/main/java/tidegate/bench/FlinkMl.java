package tidegate.bench;

import java.util.concurrent.TimeUnit;
import org.apache.flink.ml.benchmark.datagenerator.common.LabeledPointWithWeightGenerator;
import org.apache.flink.ml.classification.logisticregression.LogisticRegression;
import org.apache.flink.ml.classification.logisticregression.LogisticRegressionModelData;
import org.apache.flink.ml.classification.logisticregression.OnlineLogisticRegression;
import org.apache.flink.ml.linalg.DenseVector;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.DiscardingSink;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/**
 * One job of Flink ML over rows of its own generator: {@code generator}, the rows alone; {@code batch}, LogisticRegression with the
 * parameters of its benchmark's configuration; {@code online}, OnlineLogisticRegression, which has none there, with its defaults and
 * the same batches.
 */
public final class FlinkMl {
  private static final String[] COLUMNS = {"features", "label", "weight"};
  private static final int BATCH = 100_000;

  private FlinkMl() {}

  /** Takes what is done, the number of rows, that of features, and the parallelism; prints the job's own time. */
  public static void main(String[] arguments) throws Exception {
    long rows = Long.parseLong(arguments[1]);
    int features = Integer.parseInt(arguments[2]);
    StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
    environment.setParallelism(Integer.parseInt(arguments[3]));
    environment.getConfig().enableObjectReuse();
    StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
    Table points =
        new LabeledPointWithWeightGenerator()
            .setFeatureArity(0)
            .setLabelArity(2)
            .setVectorDim(features)
            .setNumValues(rows)
            .setColNames(new String[][] {COLUMNS})
            .getData(tables)[0];
    Table result =
        switch (arguments[0]) {
          case "generator" -> points;
          case "batch" -> batch(points);
          case "online" -> online(points, features, environment, tables);
          default -> throw new IllegalArgumentException(arguments[0]);
        };
    tables.toDataStream(result).addSink(new DiscardingSink<>());
    System.out.println("{\"milliseconds\":" + environment.execute().getNetRuntime(TimeUnit.MILLISECONDS) + "}");
  }

  private static Table batch(Table points) {
    return new LogisticRegression()
        .setWeightCol("weight")
        .setMaxIter(20)
        .setReg(0.0)
        .setElasticNet(0.0)
        .setLearningRate(0.1)
        .setGlobalBatchSize(BATCH)
        .setTol(1e-6)
        .fit(points)
        .getModelData()[0];
  }

  private static Table online(
      Table points, int features, StreamExecutionEnvironment environment, StreamTableEnvironment tables) {
    LogisticRegressionModelData zeros = new LogisticRegressionModelData(new DenseVector(features), 0L);
    return new OnlineLogisticRegression()
        .setWeightCol("weight")
        .setGlobalBatchSize(BATCH)
        .setInitialModelData(tables.fromDataStream(environment.fromElements(zeros)))
        .fit(points)
        .getModelData()[0];
  }
}
