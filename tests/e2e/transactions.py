"""Writes transactions to a real Kafka with a stock client, every third of them aborted. Run with
the Python that has confluent-kafka: transactions.py BOOTSTRAP TOPIC COUNT RECORDS."""

import sys

from confluent_kafka import Producer

bootstrap, topic, count, records = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "e2e", "linger.ms": 5})
producer.init_transactions(60)
for t in range(count):
    producer.begin_transaction()
    for i in range(records):
        producer.produce(topic, f"value {t} {i}", f"key {i}")
    producer.flush()
    if t % 3 == 2:
        producer.abort_transaction(60)
    else:
        producer.commit_transaction(60)
