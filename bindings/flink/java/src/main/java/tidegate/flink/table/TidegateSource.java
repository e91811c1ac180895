package tidegate.flink.table;

import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.table.data.RowData;

/** The rows of a table. It is one split, whose state is where to go on. */
final class TidegateSource implements Source<RowData, TableSplit, TableSplit> {
  private static final long serialVersionUID = 1L;

  private final Scan scan;
  private final Boundedness boundedness;

  TidegateSource(Scan scan, Boundedness boundedness) {
    this.scan = scan;
    this.boundedness = boundedness;
  }

  @Override
  public Boundedness getBoundedness() {
    return boundedness;
  }

  @Override
  public SourceReader<RowData, TableSplit> createReader(SourceReaderContext context) {
    return new TableReader(scan, context);
  }

  @Override
  public SplitEnumerator<TableSplit, TableSplit> createEnumerator(SplitEnumeratorContext<TableSplit> context) {
    return new OneSplitEnumerator(context, TableSplit.START);
  }

  @Override
  public SplitEnumerator<TableSplit, TableSplit> restoreEnumerator(SplitEnumeratorContext<TableSplit> context, TableSplit kept) {
    return new OneSplitEnumerator(context, kept);
  }

  @Override
  public SimpleVersionedSerializer<TableSplit> getSplitSerializer() {
    return TableSplit.SERIALIZER;
  }

  @Override
  public SimpleVersionedSerializer<TableSplit> getEnumeratorCheckpointSerializer() {
    return TableSplit.SERIALIZER;
  }
}
