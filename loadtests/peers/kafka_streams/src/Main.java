import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.Stores;
import riskstream.Score;
import riskstream.Transaction;
import sun.misc.Signal;

/**
 * A peer: Kafka Streams with the Processor API. Each customer's history is a row of a persistent
 * store, cached, with its changelog; the model is called for each record, as the library hands
 * records over one by one.
 *
 * <p>Options as in loadtests/peers/options.py, and two of its own: --guarantee and --state, a
 * folder. Two more override defaults of the library: --linger-ms and --commit-interval-ms.
 */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) throws InterruptedException {
        Map<String, String> given = options(arguments);
        KafkaStreams streams = new KafkaStreams(topology(given), settings(given));
        CountDownLatch ended = new CountDownLatch(1);
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.ERROR || now == KafkaStreams.State.NOT_RUNNING) {
                ended.countDown();
            }
        });
        // not by a shutdown hook: ONNX Runtime frees its memory in one, and hooks run side by side
        Signal.handle(new Signal("TERM"), signal -> ended.countDown());
        streams.start();
        ended.await();
        boolean isBroken = streams.state() == KafkaStreams.State.ERROR;
        streams.close();
        Runtime.getRuntime().halt(isBroken ? 1 : 0);
    }

    static Topology topology(Map<String, String> given) {
        Serde<Transaction> transactions = new AvroSerde<>(Transaction.getClassSchema(), 0);
        int id = Integer.parseInt(given.get("score-schema-id"));
        Serde<Score> scores = new AvroSerde<>(Score.getClassSchema(), id);
        double reviewFrom = Double.parseDouble(given.get("review-from"));
        double blockFrom = Double.parseDouble(given.get("block-from"));
        Model model = new Model(given.get("model"));
        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(
            Stores.keyValueStoreBuilder(
                    Stores.persistentKeyValueStore(Scorer.STORE), Serdes.String(), History.serde())
                .withCachingEnabled());
        builder.stream(given.get("source"), Consumed.with(Serdes.String(), transactions))
            .processValues(() -> new Scorer(model, reviewFrom, blockFrom), Scorer.STORE)
            .to(given.get("output"), Produced.with(Serdes.String(), scores));
        return builder.build();
    }

    /** The library's defaults, where nothing else is given. */
    static Properties settings(Map<String, String> given) {
        Properties out = new Properties();
        out.put(StreamsConfig.APPLICATION_ID_CONFIG, given.get("group"));
        out.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, given.get("kafka"));
        out.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, given.get("guarantee"));
        out.put(StreamsConfig.STATE_DIR_CONFIG, given.get("state"));
        out.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        if (given.containsKey("linger-ms")) {
            out.put(StreamsConfig.producerPrefix("linger.ms"), given.get("linger-ms"));
        }
        if (given.containsKey("commit-interval-ms")) {
            out.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, given.get("commit-interval-ms"));
        }
        return out;
    }

    private static Map<String, String> options(String[] arguments) {
        Map<String, String> out = new HashMap<>();
        for (int at = 0; at < arguments.length; at += 2) {
            out.put(arguments[at].substring(2), arguments[at + 1]);
        }
        return out;
    }
}
