"""The ground that services share: Kafka, adapters to outside things, telemetry, the process."""
