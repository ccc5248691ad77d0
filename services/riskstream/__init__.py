"""riskstream: event-streaming inference microservices for transaction risk.

Six services (gateway, scorer, tracker, profiler, reporter, lag) stand on `platform` (Kafka,
adapters, telemetry), `domain` (contracts, risk) and `runtime`; `workbench` and `cli` are what
people do beside them.
"""
