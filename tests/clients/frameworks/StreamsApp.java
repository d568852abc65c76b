// A Kafka Streams application with everything that has a topic of its own: orders are joined with a
// global table of names, grouped anew (a repartition topic) and counted (a changelog).
//
//   StreamsApp BOOTSTRAP APPLICATION-ID STATE-DIRECTORY
//
// It prints each state that it comes to, and ends with its standard input.

import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Produced;

public class StreamsApp {
    static StreamsBuilder topology() {
        var builder = new StreamsBuilder();
        var names = builder.<String, String>globalTable("names");
        builder.<String, String>stream("orders")
                .join(names, (key, order) -> key, (order, name) -> name)
                .groupBy((key, name) -> name)
                .count()
                .toStream()
                .to("counts", Produced.with(Serdes.String(), Serdes.Long()));
        return builder;
    }

    public static void main(String[] arguments) throws Exception {
        var config = new Properties();
        config.putAll(Map.of(
                StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0],
                StreamsConfig.APPLICATION_ID_CONFIG, arguments[1],
                StreamsConfig.STATE_DIR_CONFIG, arguments[2],
                StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE,
                StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 200,
                StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class,
                StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class,
                "auto.offset.reset", "earliest"));
        try (var streams = new KafkaStreams(topology().build(), config)) {
            streams.setStateListener((now, before) -> System.out.println(now));
            streams.setUncaughtExceptionHandler(error -> {
                System.out.println("DIED " + error);
                return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
            });
            streams.start();
            while (System.in.read() >= 0) {
            }
        }
    }
}
