package tidegate.flink.train;

import org.apache.flink.runtime.jobgraph.OperatorID;
import org.apache.flink.runtime.operators.coordination.OperatorCoordinator;
import org.apache.flink.streaming.api.operators.AbstractStreamOperatorFactory;
import org.apache.flink.streaming.api.operators.CoordinatedOperatorFactory;
import org.apache.flink.streaming.api.operators.OneInputStreamOperatorFactory;
import org.apache.flink.streaming.api.operators.StreamOperator;
import org.apache.flink.streaming.api.operators.StreamOperatorParameters;
import org.apache.flink.table.data.RowData;
import tidegate.flink.batch.Layout;

/** Makes the replicas of a model, and the coordinator that merges them. */
final class ReplicaOperatorFactory extends AbstractStreamOperatorFactory<RowData>
    implements OneInputStreamOperatorFactory<RowData, RowData>, CoordinatedOperatorFactory<RowData> {
  private static final long serialVersionUID = 1L;

  private final String task;
  private final int replicas;
  private final long syncRows;
  private final Layout layout;

  ReplicaOperatorFactory(String task, int replicas, long syncRows, Layout layout) {
    this.task = task;
    this.replicas = replicas;
    this.syncRows = syncRows;
    this.layout = layout;
  }

  @Override
  @SuppressWarnings("unchecked")
  public <T extends StreamOperator<RowData>> T createStreamOperator(StreamOperatorParameters<RowData> parameters) {
    OperatorID id = parameters.getStreamConfig().getOperatorID();
    ReplicaOperator operator = new ReplicaOperator(parameters, task, syncRows, layout);
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
