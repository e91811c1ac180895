package tidegate.flink.batch;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;

/** The bytes of a native value as state of Flink: in pieces, each of which is one record there. */
public final class StatePieces {
  private static final int PIECE_BYTES = 4 << 20;

  private StatePieces() {}

  /** The state of this name. */
  public static ListStateDescriptor<byte[]> of(String name) {
    return new ListStateDescriptor<>(name, PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);
  }

  public static List<byte[]> split(byte[] bytes) {
    List<byte[]> pieces = new ArrayList<>();
    for (int from = 0; from < bytes.length; from += PIECE_BYTES) {
      pieces.add(Arrays.copyOfRange(bytes, from, Math.min(bytes.length, from + PIECE_BYTES)));
    }
    return pieces;
  }

  /** All pieces together; of none, no bytes. */
  public static byte[] join(Iterable<byte[]> pieces) {
    int length = 0;
    for (byte[] piece : pieces) {
      length = Math.addExact(length, piece.length);
    }
    byte[] whole = new byte[length];
    int at = 0;
    for (byte[] piece : pieces) {
      System.arraycopy(piece, 0, whole, at, piece.length);
      at += piece.length;
    }
    return whole;
  }
}
