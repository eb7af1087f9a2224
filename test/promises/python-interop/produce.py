"""Sends scanned digits with Confluent's AvroSerializer, which registers their schema as `TOPIC-value`.

MILLRACE_BROKERS, MILLRACE_REGISTRY, INTEROP_TOPIC; INTEROP_RECORDS (100), INTEROP_TIMEOUT_SECONDS (30). The key is the scan's id. Prints one
line of JSON for each record that the broker has acknowledged: key, label, partition, offset. Exits with 1 if that is not all of them.
"""

import json
import sys
from itertools import islice
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from settings import BROKERS, RECORDS, REGISTRY, TIMEOUT_SECONDS, TOPIC

DATA = Path(__file__).resolve().parents[3] / "models" / "data"

failures = []
acknowledged = 0


def report(digit):
    def on_delivery(error, message):
        global acknowledged
        if error:
            failures.append(str(error))
            return
        acknowledged += 1
        where = {"partition": message.partition(), "offset": message.offset()}
        print(json.dumps({"key": digit["id"], "label": digit["label"], **where}))

    return on_delivery


serialize = AvroSerializer(SchemaRegistryClient({"url": REGISTRY}), (DATA / "digits.avsc").read_text())
producer = Producer({"bootstrap.servers": BROKERS, "acks": "all"})
context = SerializationContext(TOPIC, MessageField.VALUE)
with (DATA / "digits.jsonl").open() as lines:
    for digit in map(json.loads, islice(lines, RECORDS)):
        producer.produce(TOPIC, key=digit["id"], value=serialize(digit, context), on_delivery=report(digit))
        producer.poll(0)
waiting = producer.flush(TIMEOUT_SECONDS)
if failures or acknowledged < RECORDS:
    sys.exit(f"{acknowledged} of {RECORDS} acknowledged, {waiting} waiting, failures: {failures[:3]}")
