# Builds the tools and puts them into a small image that runs as any user.
#
# Does not use `RUN --mount`, so that the classic builder, the only one in some distributions, can
# build it. To build without a network, run `mkdir -p .cargo && cargo vendor >.cargo/config.toml`
# and `docker build --network none .`.
ARG BUILD_IMAGE=docker.io/library/rust:1.95-bookworm
ARG RUNTIME_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY . .
# What --version prints; `make image` names the commit.
ARG TOOLS_VERSION
RUN cargo build --locked --profile dist --bins \
 && mkdir /out \
 && find target/dist -maxdepth 1 -type f -executable -name 'soci-*' -exec cp -t /out {} +

FROM ${RUNTIME_IMAGE}
# Any user can write to the store, and can enter /root, where older builders expected the AWS
# credentials.
RUN echo 'soci:x:65532:65532::/home/soci:/usr/sbin/nologin' >>/etc/passwd \
 && echo 'soci:x:65532:' >>/etc/group \
 && mkdir -p /etc/ssl/certs /home/soci /var/lib/soci \
 && chmod 1777 /var/lib/soci \
 && chmod a+x /root
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/ /usr/local/bin/
COPY scripts/entrypoint.sh /usr/local/bin/soci
ENV HOME=/home/soci
USER 65532:65532
WORKDIR /home/soci
ENTRYPOINT ["soci"]
