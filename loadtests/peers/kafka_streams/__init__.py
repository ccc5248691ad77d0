"""A peer in Java: Kafka Streams, with ONNX Runtime's Java package."""
