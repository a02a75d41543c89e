# Builds the tools, as one static binary with several names, and puts them with the shell of busybox
# into a small image that runs as any user.
#
# Does not use `RUN --mount`, so that the classic builder, the only one in some distributions, can
# build it. To build without a network, run `mkdir -p .cargo && cargo vendor >.cargo/config.toml`
# and `docker build --network none --build-arg BUILD_IMAGE=… .`, with an image that has musl-gcc and
# Rust's standard library for musl.
#
# For another architecture (`make image PLATFORM=linux/arm64`), the compiler runs on that of the
# machine, and nothing runs in the last stage. BuildKit sets BUILDPLATFORM and TARGETARCH.
ARG BUILD_IMAGE=docker.io/library/rust:1.95-bookworm
ARG BUSYBOX_IMAGE=docker.io/library/busybox:1.37-musl
# The classic builder labels what is built on `scratch` with the machine's own architecture. For another
# one, it needs an empty image of that architecture here, and busybox above.
ARG RUNTIME_IMAGE=scratch
ARG BUILD_PLATFORM=${BUILDPLATFORM:-linux/amd64}

# The manifests of the crates with empty sources.
# hadolint ignore=DL3029
FROM --platform=${BUILD_PLATFORM} ${BUILD_IMAGE} AS manifests
WORKDIR /src
COPY . .
RUN scripts/stub-sources.sh

# hadolint ignore=DL3029
FROM --platform=${BUILD_PLATFORM} ${BUILD_IMAGE} AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ARG TARGETARCH
# The profile of Cargo. With `release`, a change of a source is built in half a minute, and the binary
# is larger and a little slower.
ARG PROFILE=dist
WORKDIR /src
COPY scripts/static-target.sh scripts/
RUN case ${TARGETARCH:-$(uname -m)} in \
      amd64 | x86_64) triple=x86_64-unknown-linux-musl ;; \
      arm64 | aarch64) triple=aarch64-unknown-linux-musl ;; \
      *) echo "unknown architecture ${TARGETARCH}" >&2 && exit 1 ;; \
    esac \
 && scripts/static-target.sh --install "$triple" >/environment \
 && echo "export CARGO_BUILD_TARGET=$triple" >>/environment
# This layer has the dependencies. A change of a source does not build it anew.
COPY --from=manifests /src/ ./
RUN . /environment \
 && cargo build --locked --profile "$PROFILE" --package soci-multicall \
 && find target -path '*/.fingerprint/soci-*' -delete
COPY . .
# What --version prints; `make image` names the commit.
ARG TOOLS_VERSION
RUN . /environment \
 && cargo build --locked --profile "$PROFILE" --package soci-multicall \
 && scripts/image-root.sh "target/$CARGO_BUILD_TARGET/$PROFILE/soci-multicall" /image

FROM ${BUSYBOX_IMAGE} AS busybox

FROM ${RUNTIME_IMAGE}
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="SOCI index tools" \
      org.opencontainers.image.description="Builds SOCI indexes of container images, for lazy loading, and pushes them beside the images" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=busybox /bin/busybox /bin/
COPY --from=build /image/ /
ENV HOME=/home/soci \
    PATH=/usr/local/bin:/bin
USER 65532:65532
WORKDIR /home/soci
ENTRYPOINT ["soci"]
