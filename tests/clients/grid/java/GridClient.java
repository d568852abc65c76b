// Kafka's own Java client in the grid; what it is told and what it prints stands in program.py.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.AppInfoParser;

public class GridClient {
    static final ObjectMapper JSON = new ObjectMapper();
    static final CountDownLatch flushing = new CountDownLatch(1);
    static final CountDownLatch over = new CountDownLatch(1);
    static JsonNode order;
    static String topic;
    static int partitions;

    static ObjectNode event(String name) {
        return JSON.createObjectNode().put("t", System.currentTimeMillis()).put("e", name);
    }

    static synchronized void say(ObjectNode event) {
        System.out.println(event);
        System.out.flush();
    }

    static void failed(String name, String consumer, Throwable error) {
        say(event(name).put("c", consumer).put("error", String.valueOf(error)));
    }

    static void listen() {
        try (var lines = new BufferedReader(new InputStreamReader(System.in))) {
            for (String line; (line = lines.readLine()) != null;) {
                if (line.trim().equals("flush")) {
                    flushing.countDown();
                }
            }
        } catch (java.io.IOException ended) {
            // as if it had ended
        }
        flushing.countDown();
        over.countDown();
    }

    static Map<String, Object> secured(Map<String, Object> options) {
        var config = new java.util.HashMap<String, Object>(options);
        JsonNode security = order.path("security");
        if (security.isMissingNode() || security.isNull()) {
            return config;
        }
        config.put("security.protocol", security.get("protocol").asText());
        config.put("ssl.truststore.type", "PEM");
        config.put("ssl.truststore.location", security.get("ca").asText());
        if (security.hasNonNull("both")) {
            config.put("ssl.keystore.type", "PEM");
            config.put("ssl.keystore.location", security.get("both").asText());
        }
        if (security.hasNonNull("mechanism")) {
            logIn(config, security);
        }
        return config;
    }

    static void logIn(Map<String, Object> config, JsonNode security) {
        String mechanism = security.get("mechanism").asText();
        String of = "org.apache.kafka.common.security.";
        config.put("sasl.mechanism", mechanism);
        if (mechanism.equals("OAUTHBEARER")) {
            String url = "file://" + security.get("token_file").asText();
            System.setProperty("org.apache.kafka.sasl.oauthbearer.allowed.urls", url);
            config.put("sasl.oauthbearer.token.endpoint.url", url);
            config.put("sasl.login.callback.handler.class",
                       of + "oauthbearer.OAuthBearerLoginCallbackHandler");
            config.put("sasl.jaas.config",
                       of + "oauthbearer.OAuthBearerLoginModule required;");
            return;
        }
        String module = mechanism.equals("PLAIN") ? "plain.PlainLoginModule"
                                                  : "scram.ScramLoginModule";
        config.put("sasl.jaas.config",
                   of + module + " required username=\"" + security.get("user").asText()
                           + "\" password=\"" + security.get("password").asText() + "\";");
    }

    static void produce() throws InterruptedException {
        Map<String, Object> config = secured(Map.of(
                "bootstrap.servers", order.get("bootstrap").asText(), "acks", "all",
                "linger.ms", 5, "enable.idempotence", order.get("idempotent").asBoolean()));
        int sent = 0;
        try (var producer = new KafkaProducer<byte[], byte[]>(
                     config, new ByteArraySerializer(), new ByteArraySerializer())) {
            long began = System.nanoTime();
            double every = 1e9 / order.get("rate").asDouble();
            while (!flushing.await((long) (began + sent * every) - System.nanoTime(),
                                   TimeUnit.NANOSECONDS)) {
                send(producer, sent++);
            }
            producer.flush();
        }
        say(event("flushed").put("sent", sent));
    }

    static void send(KafkaProducer<byte[], byte[]> producer, int n) {
        byte[] value = (order.get("id").asText() + ":" + n + ":" + "x".repeat(80))
                               .getBytes(StandardCharsets.UTF_8);
        var record = new ProducerRecord<byte[], byte[]>(topic, n % partitions, null, value);
        try {
            producer.send(record, (at, error) -> say(error != null
                    ? event("failed").put("n", n).put("error", error.toString())
                    : event("acked").put("n", n).put("p", at.partition()).put("o", at.offset())));
        } catch (KafkaException error) {
            say(event("failed").put("n", n).put("error", error.toString()));
        }
    }

    static class Listener implements ConsumerRebalanceListener {
        final String name;

        Listener(String name) {
            this.name = name;
        }

        void tell(String what, Collection<TopicPartition> which) {
            var event = event(what).put("c", name);
            var numbers = event.putArray("p");
            which.forEach(each -> numbers.add(each.partition()));
            say(event);
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> which) {
            tell("assigned", which);
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> which) {
            tell("revoked", which);
        }
    }

    static KafkaConsumer<byte[], byte[]> consumerOf(JsonNode spec) {
        var config = secured(Map.of(
                "bootstrap.servers", order.get("bootstrap").asText(),
                "auto.offset.reset", "earliest",
                "enable.auto.commit", spec.path("commit").asText().equals("auto")));
        if (spec.hasNonNull("group")) {
            config.put("group.id", spec.get("group").asText());
        }
        if (spec.hasNonNull("instance")) {
            config.put("group.instance.id", spec.get("instance").asText());
        }
        var consumer = new KafkaConsumer<byte[], byte[]>(
                config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        if (spec.hasNonNull("group")) {
            consumer.subscribe(List.of(topic), new Listener(spec.get("name").asText()));
        } else {
            var all = new ArrayList<TopicPartition>();
            for (int p = 0; p < partitions; p++) {
                all.add(new TopicPartition(topic, p));
            }
            consumer.assign(all);
            consumer.seekToBeginning(all);
        }
        return consumer;
    }

    static void consume(JsonNode spec) {
        String name = spec.get("name").asText();
        boolean manual = spec.path("commit").asText().equals("manual");
        try (var consumer = consumerOf(spec)) {
            while (over.getCount() > 0) {
                try {
                    take(name, consumer, manual);
                } catch (KafkaException error) {
                    failed("error", name, error);
                }
            }
        }
    }

    static void take(String name, KafkaConsumer<byte[], byte[]> consumer, boolean manual) {
        ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(100));
        for (ConsumerRecord<byte[], byte[]> record : records) {
            String value = new String(record.value(), StandardCharsets.UTF_8);
            say(event("read").put("c", name).put("p", record.partition())
                        .put("o", record.offset()).put("n", Integer.parseInt(value.split(":")[1])));
        }
        if (!manual || records.isEmpty()) {
            return;
        }
        try {
            consumer.commitSync();
            say(event("committed").put("c", name));
        } catch (KafkaException error) {
            failed("commit_failed", name, error);
        }
    }

    interface Work {
        void run() throws Exception;
    }

    static Thread started(String name, Work work) {
        var thread = new Thread(() -> {
            try {
                work.run();
            } catch (Exception error) {
                failed("error", name, new Exception("ended by " + error));
            }
        });
        thread.start();
        return thread;
    }

    public static void main(String[] arguments) throws Exception {
        order = JSON.readTree(arguments[0]);
        topic = order.get("topics").get(0).asText();
        partitions = order.get("partitions").asInt();
        var listener = new Thread(GridClient::listen);
        listener.setDaemon(true);
        listener.start();
        say(event("start").put("version", AppInfoParser.getVersion()));
        var threads = new ArrayList<Thread>();
        threads.add(started("producer", GridClient::produce));
        order.get("consumers").forEach(
                spec -> threads.add(started(spec.get("name").asText(), () -> consume(spec))));
        for (Thread thread : threads) {
            thread.join();
        }
        say(event("end"));
    }
}
