# systemd as process 1, with slbroker of the image and the units of deploy/systemd, which is the context.
FROM slbroker AS slbroker
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends systemd systemd-sysv && rm -rf /var/lib/apt/lists/*
COPY --from=slbroker /opt/slbroker /opt/slbroker
COPY *.service /etc/systemd/system/
COPY slbroker.sysusers /etc/sysusers.d/slbroker.conf
COPY slbroker.tmpfiles /etc/tmpfiles.d/slbroker.conf
RUN systemd-sysusers && install -d -m 0755 /etc/slbroker && install -d -m 0700 -o slbroker -g slbroker /etc/slbroker/keys
COPY edge.toml /etc/slbroker/edge-main.toml
COPY handler.toml /etc/slbroker/handler-main.toml
COPY monitor.toml /etc/slbroker/monitor.toml
RUN ln -s /opt/slbroker/bin/slbroker /usr/local/bin/slbroker && systemctl set-default multi-user.target \
 && systemctl mask getty@tty1 console-getty systemd-logind systemd-udevd dev-hugepages.mount sys-kernel-config.mount \
      sys-kernel-debug.mount sys-kernel-tracing.mount
STOPSIGNAL SIGRTMIN+3
CMD ["/sbin/init"]
