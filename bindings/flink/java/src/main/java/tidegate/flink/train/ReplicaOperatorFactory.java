package tidegate.flink.train;

import org.apache.flink.runtime.jobgraph.OperatorID;
import org.apache.flink.runtime.operators.coordination.OperatorCoordinator;
import org.apache.flink.streaming.api.operators.AbstractStreamOperatorFactory;
import org.apache.flink.streaming.api.operators.CoordinatedOperatorFactory;
import org.apache.flink.streaming.api.operators.OneInputStreamOperatorFactory;
import org.apache.flink.streaming.api.operators.StreamOperator;
import org.apache.flink.streaming.api.operators.StreamOperatorParameters;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.RowDataSerializer;
import tidegate.flink.batch.RowReader;
import tidegate.flink.batch.RowWriter;

/** Makes the replicas of a model, and the coordinator that merges them. */
final class ReplicaOperatorFactory extends AbstractStreamOperatorFactory<RowData>
    implements OneInputStreamOperatorFactory<RowData, RowData>, CoordinatedOperatorFactory<RowData> {
  private static final long serialVersionUID = 1L;

  private final String task;
  private final int replicas;
  private final long syncRows;
  private final RowReader reader;
  private final RowWriter writer;
  private final RowDataSerializer serializer;

  ReplicaOperatorFactory(
      String task, int replicas, long syncRows, RowReader reader, RowWriter writer, RowDataSerializer serializer) {
    this.task = task;
    this.replicas = replicas;
    this.syncRows = syncRows;
    this.reader = reader;
    this.writer = writer;
    this.serializer = serializer;
  }

  @Override
  @SuppressWarnings("unchecked")
  public <T extends StreamOperator<RowData>> T createStreamOperator(StreamOperatorParameters<RowData> parameters) {
    OperatorID id = parameters.getStreamConfig().getOperatorID();
    ReplicaOperator operator = new ReplicaOperator(parameters, task, syncRows, reader, writer, serializer);
    parameters.getOperatorEventDispatcher().registerEventHandler(id, operator);
    return (T) operator;
  }

  @Override
  public OperatorCoordinator.Provider getCoordinatorProvider(String name, OperatorID id) {
    return new ReplicaCoordinator.Provider(id, task, replicas);
  }

  @Override
  @SuppressWarnings("rawtypes")
  public Class<? extends StreamOperator> getStreamOperatorClass(ClassLoader classes) {
    return ReplicaOperator.class;
  }
}
