# Debian's Prometheus in the place of prom/prometheus, which cannot be had where there is no registry.
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends prometheus && rm -rf /var/lib/apt/lists/*
