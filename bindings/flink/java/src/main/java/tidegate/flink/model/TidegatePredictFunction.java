package tidegate.flink.model;

import java.time.Duration;
import java.util.Collection;
import java.util.Collections;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.functions.FunctionContext;
import org.apache.flink.table.functions.PredictFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tidegate.flink.TidegateException;
import tidegate.flink.batch.RowReader;
import tidegate.flink.batch.RowWriter;

/** Predicts a row with a model of a registry, and looks every so often whether there is another version. */
public final class TidegatePredictFunction extends PredictFunction {
  private static final long serialVersionUID = 1L;
  private static final Logger LOG = LoggerFactory.getLogger(TidegatePredictFunction.class);

  private final String registry;
  private final String reference;
  private final long reloadNanos;
  private final RowReader reader;
  private final RowWriter writer;
  private transient NativeModel model;
  private transient long reloaded;

  TidegatePredictFunction(String registry, String reference, Duration reloadInterval, RowReader reader, RowWriter writer) {
    this.registry = registry;
    this.reference = reference;
    this.reloadNanos = reloadInterval.toNanos();
    this.reader = reader;
    this.writer = writer;
  }

  @Override
  public void open(FunctionContext context) throws Exception {
    super.open(context);
    model = new NativeModel(registry, reference, 1);
    reloaded = System.nanoTime();
  }

  @Override
  public Collection<RowData> predict(RowData row) {
    if (reloadNanos > 0 && System.nanoTime() - reloaded >= reloadNanos) {
      reload();
    }
    model.input.clear();
    reader.read(row, model.input, 0);
    model.predict(1);
    GenericRowData predicted = new GenericRowData(writer.columns());
    writer.write(model.output, 0, predicted, 0);
    return Collections.singletonList(predicted);
  }

  /** A registry that cannot be read for a while is no reason to stop: the version that is there goes on. */
  private void reload() {
    reloaded = System.nanoTime();
    try {
      if (model.reload()) {
        LOG.info("{} is version {} by now", reference, model.version());
      }
    } catch (TidegateException error) {
      LOG.warn("{}: version {} goes on: {}", reference, model.version(), error.getMessage());
    }
  }

  @Override
  public void close() throws Exception {
    if (model != null) {
      model.close();
      model = null;
    }
    super.close();
  }
}
