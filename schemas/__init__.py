"""What may be said: Avro records, the topic catalogue, the codec, event types and the error tree."""
