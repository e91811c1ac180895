package tidegate.flink.table;

import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import tidegate.flink.batch.Given;

/**
 * A thread that reads a table ahead of the task that gives its rows on, which must not wait for a file, nor for rows that are made at a
 * pace. It is ahead by {@link #BATCHES} batches at most.
 */
final class ReadAhead implements AutoCloseable {
  private static final int BATCHES = 2;
  private static final long PATIENCE_MILLIS = 5_000;

  /** Rows that were read. */
  static final class Rows {
    final Given given;

    /** How many they are; -1: there are no more. */
    int count;

    /** How many records among them could not be read. */
    long bad;

    /** Where to go on after them. */
    byte[] place;

    private Rows(Given given) {
      this.given = given;
    }
  }

  private final Thread thread;
  private final Queue<Rows> free = new ArrayDeque<>();
  private final Queue<Rows> read = new ArrayDeque<>();
  private CompletableFuture<Void> available = new CompletableFuture<>();
  private Throwable failure;
  private boolean closed;

  /** Begins to read at a place. */
  ReadAhead(Scan scan, byte[] place) {
    for (int batch = 0; batch < BATCHES; batch++) {
      free.add(new Rows(new Given(scan.projection().length, Scan.BATCH_ROWS)));
    }
    thread = new Thread(() -> run(scan, place), "tidegate-reading-" + scan.declaration().name());
    thread.setDaemon(true);
    thread.start();
  }

  private void run(Scan scan, byte[] place) {
    try (NativeReading reading = new NativeReading(scan, place)) {
      Rows rows = take();
      while (rows != null) {
        rows.count = reading.next(rows.given);
        rows.bad = reading.bad();
        rows.place = reading.place();
        rows = put(rows) ? take() : null;
      }
    } catch (Throwable error) {
      fail(error);
    }
  }

  /** Room for rows; null when no more are wanted. */
  private synchronized Rows take() throws InterruptedException {
    while (free.isEmpty() && !closed) {
      wait();
    }
    return closed ? null : free.poll();
  }

  /** Returns whether there is more to read. */
  private synchronized boolean put(Rows rows) {
    read.add(rows);
    available.complete(null);
    return rows.count >= 0;
  }

  private synchronized void fail(Throwable error) {
    failure = error;
    available.complete(null);
  }

  /** The next rows, which have to be given back; null if there are none yet. */
  synchronized Rows poll() throws Exception {
    Rows rows = read.poll();
    if (rows == null && failure != null) {
      if (failure instanceof Error error) {
        throw error;
      }
      throw (Exception) failure;
    }
    return rows;
  }

  synchronized void giveBack(Rows rows) {
    free.add(rows);
    notifyAll();
  }

  /** Is done when there are rows, or a failure. */
  synchronized CompletableFuture<Void> available() {
    if (available.isDone() && read.isEmpty() && failure == null) {
      available = new CompletableFuture<>();
    }
    return available;
  }

  /** The thread closes what it reads from, as soon as it has read what it is at. */
  @Override
  public void close() throws InterruptedException {
    synchronized (this) {
      closed = true;
      notifyAll();
    }
    thread.join(PATIENCE_MILLIS);
  }
}
