"""The workbench, beside running services: training, checks, replay, simulator, local stack."""
