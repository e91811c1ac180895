package tidegate.flink.table;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/**
 * What native code has handed over of a sink: what is to be committed, or where to go on writing.
 *
 * @param job the name of the sink, which its hidden files have
 * @param ended whether it has written its last row
 * @param bytes native code's own; none before it has begun
 */
record HandedOver(String job, boolean ended, byte[] bytes) {
  static final SimpleVersionedSerializer<HandedOver> SERIALIZER = new Serializer();

  static HandedOver nothing(String job) {
    return new HandedOver(job, false, new byte[0]);
  }

  private static final class Serializer implements SimpleVersionedSerializer<HandedOver> {
    @Override
    public int getVersion() {
      return 1;
    }

    @Override
    public byte[] serialize(HandedOver handed) throws IOException {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      DataOutputStream out = new DataOutputStream(bytes);
      out.writeUTF(handed.job());
      out.writeBoolean(handed.ended());
      out.write(handed.bytes());
      return bytes.toByteArray();
    }

    @Override
    public HandedOver deserialize(int version, byte[] bytes) throws IOException {
      if (version != 1) {
        throw new IOException("the state of a sink is of version " + version + " of Tidegate's format, and only 1 is known");
      }
      DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes));
      return new HandedOver(in.readUTF(), in.readBoolean(), in.readAllBytes());
    }
  }
}
