package tidegate.flink.table;

import java.io.IOException;
import java.util.Collection;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.api.connector.sink2.CommitterInitContext;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.StatefulSinkWriter;
import org.apache.flink.api.connector.sink2.SupportsCommitter;
import org.apache.flink.api.connector.sink2.SupportsWriterState;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.table.data.RowData;

/**
 * Writes rows so that each is visible exactly once: the writer makes them durable at each checkpoint, and the committer visible when the
 * checkpoint is complete; or, with {@code atEnd}, when the last one is.
 */
final class TidegateSink implements Sink<RowData>, SupportsWriterState<RowData, HandedOver>, SupportsCommitter<HandedOver> {
  private static final long serialVersionUID = 1L;

  private final Declaration declaration;
  private final String job;
  private final boolean overwrite;
  private final boolean atEnd;

  TidegateSink(Declaration declaration, String job, boolean overwrite, boolean atEnd) {
    this.declaration = declaration;
    this.job = job;
    this.overwrite = overwrite;
    this.atEnd = atEnd;
  }

  @Override
  public TableWriter createWriter(WriterInitContext context) {
    return new TableWriter(declaration, overwrite, atEnd, HandedOver.nothing(job));
  }

  @Override
  public StatefulSinkWriter<RowData, HandedOver> restoreWriter(WriterInitContext context, Collection<HandedOver> states) {
    // There is one writer. A job that goes on from a savepoint of another one has that one's name for its hidden files.
    HandedOver state = states.isEmpty() ? HandedOver.nothing(job) : states.iterator().next();
    return new TableWriter(declaration, overwrite, atEnd, state);
  }

  @Override
  public Committer<HandedOver> createCommitter(CommitterInitContext context) {
    boolean restored = context.getRestoredCheckpointId().isPresent();
    return new Committer<>() {
      @Override
      public void commit(Collection<CommitRequest<HandedOver>> requests) throws IOException {
        for (CommitRequest<HandedOver> request : requests) {
          HandedOver rows = request.getCommittable();
          // After a restart it may have been done just before.
          NativeWriting.commit(declaration, rows.job(), overwrite, atEnd, rows.bytes(), restored);
        }
      }

      @Override
      public void close() {}
    };
  }

  @Override
  public SimpleVersionedSerializer<HandedOver> getWriterStateSerializer() {
    return HandedOver.SERIALIZER;
  }

  @Override
  public SimpleVersionedSerializer<HandedOver> getCommittableSerializer() {
    return HandedOver.SERIALIZER;
  }
}
