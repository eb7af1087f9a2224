"""Reads predictions from the beginning of a topic with Confluent's AvroDeserializer, which knows nothing but the registry.

MILLRACE_BROKERS, MILLRACE_REGISTRY, INTEROP_TOPIC; INTEROP_RECORDS (100), INTEROP_TIMEOUT_SECONDS (30). Prints one line of JSON a record:
key, partition, offset, value. Exits with 1 if there are fewer records than asked for when the time is up.
"""

import json
import sys
import time
from datetime import datetime

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from settings import BROKERS, RECORDS, REGISTRY, TIMEOUT_SECONDS, TOPIC


def plain(value):
    """The deserializer gives timestamps as datetimes; JSON has milliseconds."""
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    raise TypeError(f"{type(value).__name__} is not expected in a prediction")


deserialize = AvroDeserializer(SchemaRegistryClient({"url": REGISTRY}))
context = SerializationContext(TOPIC, MessageField.VALUE)
# The group is never joined: the partitions are assigned by hand and nothing is committed.
consumer = Consumer({"bootstrap.servers": BROKERS, "group.id": "python-interop", "enable.auto.commit": False})
try:
    partitions = consumer.list_topics(TOPIC, timeout=TIMEOUT_SECONDS).topics[TOPIC].partitions
    consumer.assign([TopicPartition(TOPIC, partition, OFFSET_BEGINNING) for partition in partitions])
    read = 0
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while read < RECORDS and time.monotonic() < deadline:
        message = consumer.poll(min(1.0, TIMEOUT_SECONDS))
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        value = deserialize(message.value(), context)
        key = message.key().decode() if message.key() is not None else None
        record = {"key": key, "partition": message.partition(), "offset": message.offset(), "value": value}
        print(json.dumps(record, default=plain))
        read += 1
finally:
    consumer.close()
if read < RECORDS:
    sys.exit(f"{read} of {RECORDS} records after {TIMEOUT_SECONDS:g} s")
