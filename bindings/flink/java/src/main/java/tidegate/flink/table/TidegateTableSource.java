package tidegate.flink.table;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.ScanTableSource;
import org.apache.flink.table.connector.source.SourceProvider;
import org.apache.flink.table.connector.source.abilities.SupportsLimitPushDown;
import org.apache.flink.table.connector.source.abilities.SupportsProjectionPushDown;
import org.apache.flink.table.types.DataType;
import tidegate.flink.TidegateException;

/** A table that is read, by one task, in the order of its rows. */
final class TidegateTableSource implements ScanTableSource, SupportsProjectionPushDown, SupportsLimitPushDown {
  private final Declaration declaration;
  private int[] projection;
  private long limit = -1;

  TidegateTableSource(Declaration declaration) {
    this.declaration = declaration;
    this.projection = IntStream.range(0, declaration.columns().size()).toArray();
  }

  @Override
  public ChangelogMode getChangelogMode() {
    return ChangelogMode.insertOnly();
  }

  @Override
  public ScanRuntimeProvider getScanRuntimeProvider(ScanContext context) {
    Scan scan = new Scan(declaration, projection, limit);
    // What is not there is told now, and not when the job runs.
    try (NativeReading reading = new NativeReading(scan, new byte[0])) {
      Boundedness boundedness = reading.isBounded() ? Boundedness.BOUNDED : Boundedness.CONTINUOUS_UNBOUNDED;
      return SourceProvider.of(new TidegateSource(scan, boundedness), 1);
    } catch (TidegateException error) {
      throw new ValidationException(error.getMessage(), error);
    }
  }

  @Override
  public boolean supportsNestedProjection() {
    return false;
  }

  @Override
  public void applyProjection(int[][] fields, DataType produced) {
    projection = Arrays.stream(fields).mapToInt(path -> path[0]).toArray();
  }

  @Override
  public void applyLimit(long limit) {
    this.limit = limit;
  }

  @Override
  public DynamicTableSource copy() {
    TidegateTableSource copy = new TidegateTableSource(declaration);
    copy.projection = projection;
    copy.limit = limit;
    return copy;
  }

  @Override
  public String asSummaryString() {
    return "tidegate " + declaration.name();
  }
}
