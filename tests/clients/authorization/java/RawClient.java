// Sends single requests, as they are told, by Kafka's own messages: one line of JSON in, one out.
//
//   RawClient
//   {"port": 9092, "from": "127.0.0.1", "user": "alice", "password": "x",
//    "api": "CREATE_ACLS", "version": 3, "request": {...}}
//   {"answer": {...}}, or {"closed": "why"} where the connection ended instead
//
// Requests and answers are those of Kafka's JSON converters: a request has every field of its
// version. Records that are "a record" are a batch of one. Each port, address and user has a
// connection of its own, logged in by PLAIN; user null is not logged in. It ends with its input.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.BinaryNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.SaslAuthenticateRequestData;
import org.apache.kafka.common.message.SaslAuthenticateResponseData;
import org.apache.kafka.common.message.SaslHandshakeRequestData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.SimpleRecord;
import org.apache.kafka.common.requests.RequestHeader;
import org.apache.kafka.common.requests.RequestUtils;
import org.apache.kafka.common.requests.ResponseHeader;

public class RawClient {
    record Peer(int port, String from, String user, String password) {}

    static final class Connection implements AutoCloseable {
        private final Socket socket = new Socket();
        private final DataInputStream in;
        private final DataOutputStream out;
        private int sent = 0;

        Connection(Peer peer) throws IOException {
            socket.bind(new InetSocketAddress(peer.from(), 0));
            socket.connect(new InetSocketAddress("127.0.0.1", peer.port()), 10_000);
            socket.setSoTimeout(60_000);
            socket.setTcpNoDelay(true);
            in = new DataInputStream(socket.getInputStream());
            out = new DataOutputStream(socket.getOutputStream());
            if (peer.user() != null) logIn(peer);
        }

        private void logIn(Peer peer) throws IOException {
            ask(ApiKeys.SASL_HANDSHAKE, (short) 1,
                    new SaslHandshakeRequestData().setMechanism("PLAIN"));
            var secret = "\0" + peer.user() + "\0" + peer.password();
            var said = (SaslAuthenticateResponseData) ask(ApiKeys.SASL_AUTHENTICATE, (short) 2,
                    new SaslAuthenticateRequestData()
                            .setAuthBytes(secret.getBytes(StandardCharsets.UTF_8)));
            if (said.errorCode() != 0) throw new IOException("log-in: " + said.errorMessage());
        }

        ApiMessage ask(ApiKeys api, short version, ApiMessage request) throws IOException {
            var header = new RequestHeader(api, version, "raw", ++sent);
            ByteBuffer bytes = RequestUtils.serialize(
                    header.data(), header.headerVersion(), request, version);
            out.writeInt(bytes.remaining());
            out.write(bytes.array(), bytes.arrayOffset() + bytes.position(), bytes.remaining());
            out.flush();
            var answer = ByteBuffer.wrap(in.readNBytes(in.readInt()));
            ResponseHeader.parse(answer, api.responseHeaderVersion(version));
            ApiMessage response = ApiMessageType.fromApiKey(api.id).newResponse();
            response.read(new ByteBufferAccessor(answer), version);
            return response;
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Map<Peer, Connection> connections = new HashMap<>();

    static BinaryNode batch() {
        var records = MemoryRecords.withRecords(
                Compression.NONE, new SimpleRecord(System.currentTimeMillis(), null, new byte[1]));
        var bytes = new byte[records.sizeInBytes()];
        records.buffer().get(bytes);
        return new BinaryNode(bytes);
    }

    static void putRecords(JsonNode node) {
        if (node instanceof ObjectNode object
                && "a record".equals(object.path("records").asText())) {
            object.set("records", batch());
        }
        node.forEach(RawClient::putRecords);
    }

    static Class<?> converter(ApiKeys api, String kind) throws ReflectiveOperationException {
        return Class.forName("org.apache.kafka.common.message."
                + ApiMessageType.fromApiKey(api.id).name + kind + "DataJsonConverter");
    }

    static JsonNode answer(JsonNode told, Connection connection)
            throws IOException, ReflectiveOperationException {
        var api = ApiKeys.valueOf(told.get("api").asText());
        short version = (short) told.get("version").asInt();
        JsonNode body = told.get("request");
        putRecords(body);
        var request = (ApiMessage) converter(api, "Request")
                .getMethod("read", JsonNode.class, short.class).invoke(null, body, version);
        ApiMessage response = connection.ask(api, version, request);
        return (JsonNode) converter(api, "Response")
                .getMethod("write", response.getClass(), short.class, boolean.class)
                .invoke(null, response, version, false);
    }

    static ObjectNode answerOrEnd(JsonNode told) throws ReflectiveOperationException {
        var peer = new Peer(told.get("port").asInt(), told.get("from").asText(),
                told.get("user").textValue(), told.get("password").asText());
        ObjectNode said = JSON.createObjectNode();
        try {
            if (!connections.containsKey(peer)) connections.put(peer, new Connection(peer));
            said.set("answer", answer(told, connections.get(peer)));
        } catch (IOException end) {
            connections.remove(peer);
            said.put("closed", String.valueOf(end));
        }
        return said;
    }

    public static void main(String[] arguments) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = lines.readLine()) != null;) {
            System.out.println(answerOrEnd(JSON.readTree(line)));
        }
        for (var each : List.copyOf(connections.values())) each.close();
    }
}
