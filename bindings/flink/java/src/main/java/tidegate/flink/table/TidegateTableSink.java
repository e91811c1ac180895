package tidegate.flink.table;

import java.util.Optional;
import java.util.UUID;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.dag.Transformation;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.DataStreamSink;
import org.apache.flink.streaming.api.transformations.WithBoundedness;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.ProviderContext;
import org.apache.flink.table.connector.sink.DataStreamSinkProvider;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.sink.abilities.SupportsOverwrite;
import org.apache.flink.table.data.RowData;

/**
 * A table that is written, by one task. Where all that is read has an end, all rows become visible at the end; else with each checkpoint.
 */
final class TidegateTableSink implements DynamicTableSink, SupportsOverwrite {
  private final Declaration declaration;
  private boolean overwrite;

  TidegateTableSink(Declaration declaration) {
    this.declaration = declaration;
  }

  @Override
  public ChangelogMode getChangelogMode(ChangelogMode requested) {
    return ChangelogMode.insertOnly();
  }

  @Override
  public SinkRuntimeProvider getSinkRuntimeProvider(Context context) {
    // The same after a restart of the job, different from every other's.
    String job = declaration.key() + "-" + UUID.randomUUID();
    return new Provider(declaration, job, overwrite);
  }

  @Override
  public void applyOverwrite(boolean overwrite) {
    this.overwrite = overwrite;
  }

  @Override
  public DynamicTableSink copy() {
    TidegateTableSink copy = new TidegateTableSink(declaration);
    copy.overwrite = overwrite;
    return copy;
  }

  @Override
  public String asSummaryString() {
    return "tidegate " + declaration.name();
  }

  /** Sees the whole job, and so whether it has an end: the context of a sink says it in batch mode only. */
  private record Provider(Declaration declaration, String job, boolean overwrite) implements DataStreamSinkProvider {
    @Override
    public DataStreamSink<?> consumeDataStream(ProviderContext context, DataStream<RowData> rows) {
      TidegateSink sink = new TidegateSink(declaration, job, overwrite, isBounded(rows.getTransformation()));
      DataStreamSink<RowData> written = rows.sinkTo(sink).name("tidegate " + declaration.name()).setParallelism(1);
      context.generateUid("tidegate").ifPresent(written::uid);
      return written;
    }

    @Override
    public Optional<Integer> getParallelism() {
      return Optional.of(1);
    }

    private static boolean isBounded(Transformation<?> rows) {
      return rows.getTransitivePredecessors().stream()
          .noneMatch(one -> one instanceof WithBoundedness source && source.getBoundedness() != Boundedness.BOUNDED);
    }
  }
}
