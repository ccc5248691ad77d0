import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Map;

/** The trees by ONNX Runtime, one row a call, from and into memory that is made once. */
final class Model {
    private static final int COLUMNS = 6 + History.FEATURES;

    private final OrtSession session;
    private final FloatBuffer row = direct(COLUMNS);
    private final FloatBuffer chances = direct(2);
    private final Map<String, OnnxTensor> inputs;
    private final Map<String, OnnxTensor> outputs;

    Model(String path) {
        try {
            OrtEnvironment environment = OrtEnvironment.getEnvironment();
            environment.setTelemetry(false);
            OrtSession.SessionOptions options = new OrtSession.SessionOptions();
            options.setIntraOpNumThreads(1);
            options.setInterOpNumThreads(1);
            options.addConfigEntry("session.intra_op.allow_spinning", "0");
            session = environment.createSession(path, options);
            String first = session.getOutputNames().iterator().next();
            inputs = Map.of("features",
                OnnxTensor.createTensor(environment, row, new long[] {1, COLUMNS}));
            outputs = Map.of(first,
                OnnxTensor.createTensor(environment, chances, new long[] {1, 2}));
        } catch (OrtException error) {
            throw new IllegalStateException(error);
        }
    }

    /** The chance of fraud; one thread at a time. */
    synchronized float score(float[] vector) {
        row.put(0, vector);
        try (OrtSession.Result result = session.run(inputs, outputs)) {
            return chances.get(1);
        } catch (OrtException error) {
            throw new IllegalStateException(error);
        }
    }

    private static FloatBuffer direct(int count) {
        return ByteBuffer.allocateDirect(4 * count).order(ByteOrder.nativeOrder()).asFloatBuffer();
    }
}
