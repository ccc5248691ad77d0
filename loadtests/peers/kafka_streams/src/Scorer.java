import java.util.List;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueStore;
import riskstream.Decision;
import riskstream.Kind;
import riskstream.Score;
import riskstream.Transaction;
import riskstream.Verdict;

/** Adds a transaction to its customer's history, scores it and decides. One for each partition. */
final class Scorer implements FixedKeyProcessor<String, Transaction, Score> {
    static final String STORE = "history";

    private static final long HOUR = 3_600_000L;
    private static final long DAY = 86_400_000L;

    private final Model model;
    private final double reviewFrom;
    private final double blockFrom;
    private final float[] vector = new float[6 + History.FEATURES];
    private FixedKeyProcessorContext<String, Score> context;
    private KeyValueStore<String, History> histories;
    private long last = -1;

    Scorer(Model model, double reviewFrom, double blockFrom) {
        this.model = model;
        this.reviewFrom = reviewFrom;
        this.blockFrom = blockFrom;
    }

    @Override
    public void init(FixedKeyProcessorContext<String, Score> context) {
        this.context = context;
        this.histories = context.getStateStore(STORE);
    }

    @Override
    public void process(FixedKeyRecord<String, Transaction> record) {
        Transaction transaction = record.value();
        History history = histories.get(record.key());
        if (history == null) {
            history = new History();
        }
        inputs(transaction);
        history.add(transaction.getOccurredAt(), transaction.getBaseAmountMinor(), vector, 6);
        histories.put(record.key(), history);
        float score = model.score(vector);
        RecordMetadata source = context.recordMetadata().orElseThrow();
        Score answer = answer(transaction, source.offset(), record.timestamp(), score);
        context.forward(record.withValue(answer));
        last = source.offset();
    }

    /** The six values of the transaction itself. */
    private void inputs(Transaction transaction) {
        long at = transaction.getOccurredAt();
        Integer mcc = transaction.getMcc();
        vector[0] = transaction.getBaseAmountMinor();
        vector[1] = at / HOUR % 24;
        vector[2] = (at / DAY + 3) % 7;
        vector[3] = transaction.getKind().ordinal();
        vector[4] = transaction.getChannel().ordinal();
        vector[5] = mcc == null ? Float.NaN : mcc;
    }

    private Decision decision(float score) {
        if (score < reviewFrom) {
            return Decision.APPROVE;
        }
        return score < blockFrom ? Decision.REVIEW : Decision.BLOCK;
    }

    private Score answer(Transaction transaction, long offset, long appendedAt, float score) {
        Score out = new Score();
        out.setSrc(offset);
        out.setPrev(last);
        out.setSrcAppendedAt(appendedAt);
        out.setVerdict(Verdict.GOOD);
        out.setRejectRulesVersion(1);
        out.setTransactionId(transaction.getTransactionId());
        out.setCustomerId(transaction.getCustomerId());
        out.setOccurredAt(transaction.getOccurredAt());
        out.setBaseAmountMinor(transaction.getBaseAmountMinor());
        out.setBaseCurrency(transaction.getBaseCurrency());
        out.setScore(score);
        out.setDecision(decision(score));
        out.setReasons(List.of());
        out.setFlags(List.of());
        out.setModelVersion("peer");
        out.setFeatureSet("standard.v1");
        out.setFeatures(new Floats(vector.clone()));
        out.setProfiles(List.of());
        out.setRules(List.of());
        out.setKind(Kind.UNKNOWN);
        return out;
    }
}
