package tidegate.flink.train;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.runtime.operators.coordination.CoordinationRequest;
import org.apache.flink.runtime.operators.coordination.OperatorEvent;
import org.apache.flink.runtime.operators.coordination.OperatorEventGateway;
import org.apache.flink.runtime.operators.coordination.OperatorEventHandler;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.operators.StreamOperatorParameters;
import org.apache.flink.streaming.api.operators.collect.CollectCoordinationResponse;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.table.data.RowData;
import org.apache.flink.util.OutputTag;
import org.apache.flink.util.SerializedValue;
import tidegate.flink.TidegateException;
import tidegate.flink.batch.Layout;

/**
 * One of several replicas of a model, each in a task of its own; {@link ReplicaCoordinator} merges them.
 *
 * <p>From its report until it is told what all have made together a replica waits, and takes rows all the same: it predicts them as it
 * is, and holds them. It learns them when it goes on, as if the answer had been there at once. When it holds more than
 * {@value #HELD_ROWS_MAX} rows it has the merge called off, and learns them as it is.
 *
 * <p>At the end of its input it gives what it has learned to {@link MergeOperator}, beside its rows.
 */
final class ReplicaOperator extends TrainOperator implements OperatorEventHandler {
  private static final long serialVersionUID = 1L;

  /** Pieces of what replicas have learned: whose it is, the round that it went on from, and the piece's number of how many. */
  static final TypeInformation<Tuple5<Integer, Long, Integer, Integer, byte[]>> PIECE =
      Types.TUPLE(Types.INT, Types.LONG, Types.INT, Types.INT, Types.PRIMITIVE_ARRAY(Types.BYTE));

  static final OutputTag<Tuple5<Integer, Long, Integer, Integer, byte[]>> LEARNED = new OutputTag<>("learned", PIECE);

  /** Whose what all have made together is. */
  static final int OF_ALL = -1;

  /** So many rows a replica holds before it has a merge called off. */
  private static final int HELD_ROWS_MAX = 16_384;

  /** How long the coordinator may take for an answer: it waits for nobody, but may be merging. */
  private static final long ANSWER_SECONDS = 120;

  private final long syncRows;
  private final transient OperatorEventGateway coordinator;
  private transient Message.Parts coming;

  /** Whether it goes on from a checkpoint. */
  private transient boolean restored;

  /** Whether it has been told what to begin with, has reported, has had the merge called off, and is at its end. */
  private transient boolean begun;

  private transient boolean reported;
  private transient boolean cancelled;
  private transient boolean ended;

  /** The rows it had learned when it last said that a merge is due, or went on. */
  private transient long since;

  /** The round, for those who watch. */
  private transient volatile long merges;

  ReplicaOperator(StreamOperatorParameters<RowData> parameters, String task, long syncRows, Layout layout) {
    super(parameters, task, layout);
    this.syncRows = syncRows;
    coordinator = parameters.getOperatorEventDispatcher().getOperatorEventGateway(parameters.getStreamConfig().getOperatorID());
    coming = new Message.Parts();
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    restored = context.isRestored();
  }

  @Override
  public void open() throws Exception {
    super.open();
    merges = function.progress().round();
    getMetricGroup().addGroup("tidegate").gauge("merges", () -> merges);
    coordinator.sendEventToCoordinator(Message.of(Message.Kind.JOIN, function.progress().round()));
  }

  @Override
  void flushed() {
    super.flushed();
    NativeTrainer.Progress progress = function.progress();
    if (reported) {
      if (progress.held() > HELD_ROWS_MAX && !cancelled) {
        cancelled = true;
        coordinator.sendEventToCoordinator(Message.of(Message.Kind.CANCEL, progress.round()));
      }
    } else if (begun && progress.learned() - since >= syncRows) {
      since = progress.learned();
      coordinator.sendEventToCoordinator(Message.of(Message.Kind.DUE, progress.round()));
    }
  }

  @Override
  public void handleOperatorEvent(OperatorEvent event) {
    if (ended) {
      return;
    }
    Message message = (Message) event;
    long round = function.progress().round();
    switch (message.kind()) {
      case BEGIN -> {
        byte[] merged = coming.add(message.part(), message.parts(), message.bytes());
        if (merged != null) {
          goOn(message.round(), merged);
        }
      }
      case CALL -> {
        if (begun && !reported && message.round() == round) {
          report();
        }
      }
      case MERGED -> {
        byte[] merged = coming.add(message.part(), message.parts(), message.bytes());
        if (merged != null && reported) {
          goOn(message.round(), merged);
        }
      }
      case GO_ON -> {
        if (reported && message.round() == round) {
          goOn(round, new byte[0]);
        }
      }
      default -> throw new TidegateException("the coordinator does not say " + message.kind());
    }
  }

  /** Tells what it has learned, with all rows that have come; it waits from now on. */
  private void report() {
    try {
      flush();
    } catch (Exception error) {
      throw new TidegateException(error.getMessage(), error);
    }
    long round = function.progress().round();
    Message.send(Message.Kind.REPORT, round, function.report(), coordinator::sendEventToCoordinator);
    reported = true;
    cancelled = false;
  }

  /** Goes on from a round, and learns the rows that it holds. */
  private void goOn(long round, byte[] merged) {
    long own = function.progress().round();
    boolean isNext = reported && round == own + 1;
    boolean isFirst = !begun && !restored && own == 0;
    if (round == own) {
      function.release();
    } else if (isNext || isFirst) {
      function.goOn(round, merged);
    } else {
      throw new TidegateException(
          String.format("a replica is at merge %d, where the others are at %d: the state is not of one checkpoint", own, round));
    }
    merges = round;
    begun = true;
    reported = false;
    since = function.progress().learned();
  }

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    if (!ended) {
      coordinator.sendEventToCoordinator(Message.of(Message.Kind.SNAPSHOT, context.getCheckpointId()));
    }
  }

  @Override
  void end() throws Exception {
    ended = true;
    CollectCoordinationResponse answer = leave(0);
    long round = Leave.round(answer);
    int subtask = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask();
    byte[] merged = new byte[0];
    // One of them tells what all went on from.
    if (round != function.progress().round() || subtask == 0) {
      Message.Parts parts = new Message.Parts();
      merged = parts.add(0, Leave.parts(answer), Leave.part(answer));
      for (int part = 1; part < Leave.parts(answer); part++) {
        merged = parts.add(part, Leave.parts(answer), Leave.part(leave(part)));
      }
    }
    goOn(round, merged);
    if (subtask == 0 && round > 0) {
      give(OF_ALL, round, merged);
    }
    give(subtask, round, function.lastReport());
  }

  private void give(int whose, long round, byte[] bytes) {
    int parts = Message.parts(bytes);
    for (int part = 0; part < parts; part++) {
      output.collect(LEARNED, new StreamRecord<>(Tuple5.of(whose, round, part, parts, Message.part(bytes, part))));
    }
  }

  /** The answer comes on another thread, and does not depend on other tasks, so that it can be waited for. */
  private CollectCoordinationResponse leave(int part) throws Exception {
    CoordinationRequest request = new Leave(
        getRuntimeContext().getTaskInfo().getIndexOfThisSubtask(), getRuntimeContext().getTaskInfo().getAttemptNumber(), part);
    try {
      return (CollectCoordinationResponse) getContainingTask()
          .getEnvironment()
          .getOperatorCoordinatorEventGateway()
          .sendRequestToCoordinator(getOperatorID(), new SerializedValue<>(request))
          .get(ANSWER_SECONDS, TimeUnit.SECONDS);
    } catch (TimeoutException error) {
      throw new IOException("the job manager did not say within " + ANSWER_SECONDS + " s what the replicas have made together", error);
    }
  }
}
