package tidegate.flink.train;

import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.flink.runtime.jobgraph.OperatorID;
import org.apache.flink.runtime.operators.coordination.CoordinationRequest;
import org.apache.flink.runtime.operators.coordination.CoordinationRequestHandler;
import org.apache.flink.runtime.operators.coordination.CoordinationResponse;
import org.apache.flink.runtime.operators.coordination.OperatorCoordinator;
import org.apache.flink.runtime.operators.coordination.OperatorEvent;
import tidegate.flink.TidegateException;

/**
 * Merges what replicas of a model have learned, on the job manager.
 *
 * <pre>
 * replica:      DUE ──►                 REPORT ──►                       (learns the rows since its report)
 * coordinator:          CALL, to all ──►          merges, when all have ──► MERGED, to all
 * </pre>
 *
 * A merge is of all replicas. While one of them is not there (not started yet, failed, or at the end of its input) there is none, and
 * nobody waits for it: a merge that was called for is called off (GO_ON), and reports are let go. So all replicas always go on from one
 * and the same round, and no row counts twice.
 *
 * <p>After a failure, replicas begin at a checkpoint, and so does what is here: at the round of that checkpoint. A replica that goes back
 * alone behind a round that others have gone on from would make rows count twice: then the whole job goes back.
 *
 * <p>There is no merge between the coordinator's part of a checkpoint and that of the replicas, so that a replica which ends in between
 * ends with the round of the checkpoint.
 *
 * <p>All of it runs on a thread of its own: a merge takes time that the job manager's main thread has not.
 */
final class ReplicaCoordinator implements OperatorCoordinator, CoordinationRequestHandler {
  private static final byte[] NOTHING = new byte[0];

  private final Context context;
  private final String task;
  private final int replicas;
  private final ExecutorService thread;

  // What follows is used by the thread alone.

  private NativeMerger merger;
  private State state = State.BEGINNING;
  private final TreeMap<Long, State> checkpoints = new TreeMap<>();

  private final Map<Integer, SubtaskGateway> gateways = new HashMap<>();

  /** What replicas have been told that may still be on its way. */
  private final Map<Integer, CompletableFuture<?>> onTheWay = new HashMap<>();

  /** The replicas that are there, with the number of their attempt. */
  private final Map<Integer, Integer> joined = new HashMap<>();

  /** The replicas that have taken part in what is here. */
  private final Set<Integer> known = new HashSet<>();

  /** The replicas that have to go back, since what is here has gone back. */
  private final Set<Integer> behind = new HashSet<>();

  /** Whether one has enough for a merge, and whether there is one that all were called for. */
  private boolean due;

  private boolean calling;
  private final TreeMap<Integer, byte[]> reports = new TreeMap<>();
  private final Map<Integer, Message.Parts> coming = new HashMap<>();

  /** The last checkpoint, and the replicas that have not taken their part in it yet. */
  private long checkpoint = NO_CHECKPOINT;

  private final Set<Integer> unsaved = new HashSet<>();

  /** A round, and what was made together then; of round 0, nothing. */
  private record State(long round, byte[] merged) {
    static final State BEGINNING = new State(0, NOTHING);

    byte[] bytes() {
      return ByteBuffer.allocate(Long.BYTES + merged.length).putLong(round).put(merged).array();
    }

    static State of(byte[] bytes) {
      if (bytes == null) {
        return BEGINNING;
      }
      ByteBuffer buffer = ByteBuffer.wrap(bytes);
      long round = buffer.getLong();
      byte[] merged = new byte[buffer.remaining()];
      buffer.get(merged);
      return new State(round, merged);
    }
  }

  /** Makes coordinators; goes with the job to the job manager. */
  record Provider(OperatorID id, String task, int replicas) implements OperatorCoordinator.Provider {
    @Override
    public OperatorID getOperatorId() {
      return id;
    }

    @Override
    public OperatorCoordinator create(Context context) {
      return new ReplicaCoordinator(context, task, replicas);
    }
  }

  private ReplicaCoordinator(Context context, String task, int replicas) {
    this.context = context;
    this.task = task;
    this.replicas = replicas;
    ClassLoader classes = getClass().getClassLoader();
    thread = Executors.newSingleThreadExecutor(work -> {
      Thread made = new Thread(work, "tidegate-replicas");
      made.setDaemon(true);
      made.setContextClassLoader(classes);
      return made;
    });
  }

  private interface Work {
    void run() throws Exception;
  }

  /** Does work on the thread; if it fails, so does the job. */
  private void run(Work work) {
    if (thread.isShutdown()) {
      return;
    }
    thread.execute(() -> {
      try {
        work.run();
      } catch (Throwable error) {
        context.failJob(error);
      }
    });
  }

  @Override
  public void start() {}

  @Override
  public void close() {
    run(() -> {
      if (merger != null) {
        merger.close();
        merger = null;
      }
    });
    thread.shutdown();
  }

  @Override
  public void executionAttemptReady(int subtask, int attempt, SubtaskGateway gateway) {
    run(() -> {
      gateways.put(subtask, gateway);
      begin(subtask);
    });
  }

  @Override
  public void executionAttemptFailed(int subtask, int attempt, Throwable reason) {
    run(() -> {
      if (joined.getOrDefault(subtask, attempt) <= attempt) {
        gone(subtask);
      }
    });
  }

  @Override
  public void subtaskReset(int subtask, long id) {
    run(() -> {
      gone(subtask);
      behind.remove(subtask);
      State then = id == NO_CHECKPOINT ? State.BEGINNING : checkpoints.get(id);
      if (then == null) {
        throw new TidegateException("what replicas made together is not there any more as of checkpoint " + id);
      }
      known.remove(subtask);
      if (then.round != state.round) {
        behind.addAll(known);
        goBack(then);
      }
    });
  }

  @Override
  public void resetToCheckpoint(long id, byte[] bytes) {
    run(() -> {
      State then = State.of(bytes);
      checkpoints.clear();
      checkpoints.put(id, then);
      gateways.clear();
      onTheWay.clear();
      joined.clear();
      known.clear();
      behind.clear();
      goBack(then);
    });
  }

  private void goBack(State then) {
    state = then;
    callOff();
    unsaved.clear();
    if (merger != null) {
      // The first round is what a new one begins with.
      merger.close();
      merger = null;
    }
  }

  private NativeMerger merger() {
    if (merger == null) {
      merger = new NativeMerger(task);
      if (state.round > 0) {
        merger.restore(state.merged);
      }
    }
    return merger;
  }

  @Override
  public void checkpointCoordinator(long id, CompletableFuture<byte[]> result) {
    run(() -> {
      checkpoints.put(id, state);
      checkpoint = id;
      unsaved.clear();
      unsaved.addAll(joined.keySet());
      result.complete(state.bytes());
    });
  }

  @Override
  public void notifyCheckpointComplete(long id) {
    run(() -> checkpoints.headMap(id).clear());
  }

  @Override
  public void notifyCheckpointAborted(long id) {
    run(() -> {
      checkpoints.remove(id);
      if (id == checkpoint) {
        unsaved.clear();
        proceed();
      }
    });
  }

  @Override
  public void handleEventFromOperator(int subtask, int attempt, OperatorEvent event) {
    Message message = (Message) event;
    run(() -> {
      if (message.kind() == Message.Kind.JOIN) {
        if (!behind.isEmpty()) {
          behind.clear();
          throw new TidegateException(
              "a replica went back behind what others have gone on from: all of the job goes back");
        }
        joined.put(subtask, attempt);
        known.add(subtask);
        begin(subtask);
      } else if (joined.getOrDefault(subtask, -1) == attempt) {
        take(subtask, message);
      }
    });
  }

  private void take(int subtask, Message message) {
    boolean now = message.round() == state.round;
    switch (message.kind()) {
      case DUE -> {
        due |= now;
        proceed();
      }
      case REPORT -> {
        byte[] report = coming
            .computeIfAbsent(subtask, key -> new Message.Parts())
            .add(message.part(), message.parts(), message.bytes());
        if (report != null && now && calling) {
          reports.put(subtask, report);
          proceed();
        } else if (report != null) {
          // It was called off when this was on its way.
          tell(subtask, Message.of(Message.Kind.GO_ON, message.round()));
        }
      }
      case CANCEL -> {
        if (now) {
          callOff();
        }
      }
      case SNAPSHOT -> {
        if (message.round() == checkpoint) {
          unsaved.remove(subtask);
          proceed();
        }
      }
      default -> throw new TidegateException("a replica does not say " + message.kind());
    }
  }

  /** Calls for a merge, or merges, if it is time. */
  private void proceed() {
    if (!unsaved.isEmpty()) {
      return;
    }
    if (calling && reports.size() == replicas) {
      merger().merge(reports.values().toArray(byte[][]::new));
      state = new State(state.round + 1, merger.model());
      calling = false;
      due = false;
      reports.clear();
      joined.keySet().forEach(subtask -> send(Message.Kind.MERGED, subtask));
    } else if (due && !calling && joined.size() == replicas && gateways.keySet().containsAll(joined.keySet())) {
      due = false;
      calling = true;
      joined.keySet().forEach(subtask -> tell(subtask, Message.of(Message.Kind.CALL, state.round)));
    }
  }

  /** There is no merge now: who has reported goes on as before. */
  private void callOff() {
    due = false;
    calling = false;
    for (int subtask : reports.keySet()) {
      if (joined.containsKey(subtask)) {
        tell(subtask, Message.of(Message.Kind.GO_ON, state.round));
      }
    }
    reports.clear();
  }

  private void gone(int subtask) {
    joined.remove(subtask);
    gateways.remove(subtask);
    onTheWay.remove(subtask);
    coming.remove(subtask);
    unsaved.remove(subtask);
    callOff();
    proceed();
  }

  /** A replica that is there and can be told so begins with what all have made together so far. */
  private void begin(int subtask) {
    if (joined.containsKey(subtask) && gateways.containsKey(subtask)) {
      send(Message.Kind.BEGIN, subtask);
      proceed();
    }
  }

  private void send(Message.Kind kind, int subtask) {
    Message.send(kind, state.round, state.merged, message -> tell(subtask, message));
  }

  private void tell(int subtask, Message message) {
    SubtaskGateway gateway = gateways.get(subtask);
    if (gateway != null) {
      CompletableFuture<?> sent = gateway.sendEvent(message);
      onTheWay.merge(subtask, sent, (before, after) -> before.isDone() ? after : CompletableFuture.allOf(before, after));
    }
  }

  /**
   * A replica leaves. The answer comes when all that it was told before has come to it: Flink takes what does not, as the task has ended,
   * for a failure, and the job back.
   */
  @Override
  public CompletableFuture<CoordinationResponse> handleCoordinationRequest(CoordinationRequest request) {
    Leave leave = (Leave) request;
    CompletableFuture<CoordinationResponse> answer = new CompletableFuture<>();
    run(() -> {
      try {
        if (joined.getOrDefault(leave.subtask(), leave.attempt()) == leave.attempt()) {
          joined.remove(leave.subtask());
          reports.remove(leave.subtask());
          unsaved.remove(leave.subtask());
          callOff();
        }
        CoordinationResponse given = Leave.answer(state.round, state.merged, leave.part());
        CompletableFuture<?> before = onTheWay.remove(leave.subtask());
        if (before == null) {
          answer.complete(given);
        } else {
          before.whenComplete((done, error) -> answer.complete(given));
        }
      } catch (Exception error) {
        answer.completeExceptionally(error);
      }
    });
    return answer;
  }
}
