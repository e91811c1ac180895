package tidegate.flink.train;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.function.Consumer;
import org.apache.flink.runtime.operators.coordination.OperatorEvent;

/**
 * What a replica and the coordinator tell each other. Long ones come in parts, in their order.
 *
 * @param round the number of the merge that it is about
 */
record Message(Kind kind, long round, int part, int parts, byte[] bytes) implements OperatorEvent {
  /** Bytes of a part: far less than what a message between processes may have. */
  static final int PART_BYTES = 1 << 20;

  enum Kind {
    /** A replica is there. */
    JOIN,
    /** It has learned enough for a merge. */
    DUE,
    /** What it has learned since the round, in parts. */
    REPORT,
    /** It does not wait for the merge any longer. */
    CANCEL,
    /** It is in the checkpoint of this number. */
    SNAPSHOT,

    /** To a replica that has joined: go on from this round, which is here in parts. */
    BEGIN,
    /** Report what was learned since the round. */
    CALL,
    /** Go on from this round, which is here in parts. */
    MERGED,
    /** There is no merge now: go on as before. */
    GO_ON
  }

  static Message of(Kind kind, long round) {
    return new Message(kind, round, 0, 1, new byte[0]);
  }

  /** Sends bytes in parts; no bytes are one part. */
  static void send(Kind kind, long round, byte[] bytes, Consumer<Message> to) {
    int parts = parts(bytes);
    for (int part = 0; part < parts; part++) {
      to.accept(new Message(kind, round, part, parts, part(bytes, part)));
    }
  }

  static int parts(byte[] bytes) {
    return Math.max(1, (bytes.length + PART_BYTES - 1) / PART_BYTES);
  }

  static byte[] part(byte[] bytes, int part) {
    int from = part * PART_BYTES;
    return Arrays.copyOfRange(bytes, from, Math.min(bytes.length, from + PART_BYTES));
  }

  /** Puts parts together. */
  static final class Parts {
    private ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    /** Takes a part; with the last one, all bytes. */
    byte[] add(int part, int parts, byte[] piece) {
      if (part == 0) {
        bytes.reset();
      }
      bytes.writeBytes(piece);
      if (part < parts - 1) {
        return null;
      }
      byte[] whole = bytes.toByteArray();
      bytes = new ByteArrayOutputStream();
      return whole;
    }
  }
}
