# systemd as process 1, with slbroker as its Debian package brings it; the context is dist/.
FROM debian:bookworm-slim
ARG DEB
COPY $DEB /slbroker.deb
RUN apt-get update && apt-get install -y --no-install-recommends systemd systemd-sysv /slbroker.deb && rm -rf /var/lib/apt/lists/*
# What comes next, as far as dpkg can see.
RUN dpkg-deb --raw-extract /slbroker.deb /next && sed -i "s/^Version: .*/&+next/" /next/DEBIAN/control \
 && dpkg-deb --root-owner-group --build /next /next.deb && rm -rf /next
RUN systemctl set-default multi-user.target \
 && systemctl mask getty@tty1 console-getty systemd-logind systemd-udevd dev-hugepages.mount sys-kernel-config.mount \
      sys-kernel-debug.mount sys-kernel-tracing.mount
STOPSIGNAL SIGRTMIN+3
CMD ["/sbin/init"]
