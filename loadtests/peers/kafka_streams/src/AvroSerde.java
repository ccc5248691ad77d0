import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import org.apache.avro.Schema;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.specific.SpecificDatumReader;
import org.apache.avro.specific.SpecificDatumWriter;
import org.apache.avro.specific.SpecificRecord;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serializer;

/** Avro of generated classes behind Confluent's five bytes: a zero and the schema's id. */
final class AvroSerde<T extends SpecificRecord> implements Serde<T> {
    private static final int HEAD = 5;

    private final Schema schema;
    private final int id;

    AvroSerde(Schema schema, int id) {
        this.schema = schema;
        this.id = id;
    }

    @Override
    public Deserializer<T> deserializer() {
        SpecificDatumReader<T> reader = new SpecificDatumReader<>(schema);
        return new Deserializer<>() {
            private BinaryDecoder decoder;

            @Override
            public T deserialize(String topic, byte[] frame) {
                if (frame[0] != 0) {
                    throw new SerializationException("not Confluent framing");
                }
                try {
                    decoder = DecoderFactory.get()
                        .binaryDecoder(frame, HEAD, frame.length - HEAD, decoder);
                    return reader.read(null, decoder);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            }
        };
    }

    @Override
    public Serializer<T> serializer() {
        SpecificDatumWriter<T> writer = new SpecificDatumWriter<>(schema);
        byte[] head = ByteBuffer.allocate(HEAD).put((byte) 0).putInt(id).array();
        ByteArrayOutputStream out = new ByteArrayOutputStream(512);
        return new Serializer<>() {
            private BinaryEncoder encoder;

            @Override
            public byte[] serialize(String topic, T record) {
                out.reset();
                out.writeBytes(head);
                encoder = EncoderFactory.get().directBinaryEncoder(out, encoder);
                try {
                    writer.write(record, encoder);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
                return out.toByteArray();
            }
        };
    }
}
