#!/usr/bin/env bash
# The container's entrypoint: the four tools in a pipe, or one of them.
# It translates the environment into options, finds credentials and a store, passes signals on,
# and ends with the status of the stage that is to blame. It decides nothing about an image.
set -euo pipefail

usage() {
  cat <<'END'
usage: docker run --rm [--user "$(id -u):$(id -g)"] [-e NAME=VALUE…] [-v ~/.aws:/home/soci/.aws:ro] IMAGE REF…
       docker run … IMAGE soci-pull|soci-plan|soci-index|soci-push [ARGUMENT…]

Builds the SOCI index of each image REF and pushes it beside the image.

  MIN_LAYER_SIZE   skip layers smaller than this many MiB (a whole number; default 10)
  IMAGE_ARCH       platforms, such as linux/amd64,linux/arm64, or all (default linux/amd64)
  AWS_REGION       the region, where the registry's name does not give it
  SOCI_…           any option of the tools: see `IMAGE soci-index --help`
END
}

refuse() {
  printf 'soci: %s\n' "$1" >&2
  exit "${2:-2}"
}

# Says what keeps the AWS credentials below $1 from being read; fails where nothing does.
unreadable() {
  if [[ -d $1 && ! -x $1 ]]; then
    echo "$1"
  elif [[ -e $1/credentials && ! -r $1/credentials ]]; then
    echo "$1/credentials"
  elif [[ -e $1/config && ! -r $1/config ]]; then
    echo "$1/config"
  else
    return 1
  fi
}

# Names the .aws that older builders mounted, unless the home directory has one. One that cannot be read is hidden
# from the tools, which would stop at it although a role may do; `hint` keeps what to say if none does.
hint=
find_credentials() {
  local directory file
  [[ -z ${AWS_SHARED_CREDENTIALS_FILE-}${AWS_CONFIG_FILE-} ]] || return 0
  for directory in "${HOME:+$HOME/.aws}" /root/.aws; do
    [[ -n $directory ]] || continue
    if file=$(unreadable "$directory"); then
      export AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_CONFIG_FILE=/dev/null
      hint="soci: $file cannot be read by uid $(id -u): add --user \"\$(id -u):\$(id -g)\" to docker run"
    elif [[ -e $directory/credentials || -e $directory/config ]]; then
      hint=
      [[ $directory != "${HOME-}/.aws" ]] || return 0
      export AWS_SHARED_CREDENTIALS_FILE=$directory/credentials AWS_CONFIG_FILE=$directory/config
      return
    fi
  done
}

# Any user, and a read-only root, must do: takes the first directory that can be written.
find_store() {
  local directory
  [[ -z ${SOCI_STORE-} ]] || return 0
  for directory in /var/lib/soci "${XDG_CACHE_HOME:-${HOME-}/.cache}" "${TMPDIR:-/tmp}"; do
    if [[ -w $directory ]] || mkdir -p "$directory" 2>/dev/null && [[ -w $directory ]]; then
      [[ $directory == /var/lib/soci ]] || directory+=/soci
      export SOCI_STORE=$directory
      return
    fi
  done
  refuse 'no directory for the store can be written: add a volume at /var/lib/soci, or set SOCI_STORE' 73
}

# Fills `plan` with the options that MIN_LAYER_SIZE and IMAGE_ARCH stand for; unset ones leave the tool's defaults.
plan=()
read_environment() {
  local platform platforms
  if [[ -n ${MIN_LAYER_SIZE-} ]]; then
    [[ $MIN_LAYER_SIZE =~ ^[0-9]{1,12}$ ]] ||
      refuse "MIN_LAYER_SIZE: expected a whole number of MiB, found \`$MIN_LAYER_SIZE\`"
    plan+=(--min-layer-size "$((10#$MIN_LAYER_SIZE))MiB")
  fi
  if [[ ${IMAGE_ARCH-} == all ]]; then
    plan+=(--all-platforms)
  elif [[ -n ${IMAGE_ARCH-} ]]; then
    IFS=, read -r -a platforms <<<"$IMAGE_ARCH,"
    for platform in "${platforms[@]}"; do
      [[ $platform =~ ^[a-z0-9]+/[a-z0-9_]+(/[a-z0-9.]+)?$ ]] ||
        refuse "IMAGE_ARCH: expected \`all\` or platforms such as linux/amd64, found \`$platform\`"
      plan+=(--platform "$platform")
    done
  fi
}

# Ends where a tool refuses its options, before the others ask for anything: it reads them before its input, and
# there is none yet. It names the option, whose variable is what the user has set.
try_options() {
  local said status=0 variable=
  said=$("$@" </dev/null 2>&1 >/dev/null) || status=$?
  ((status == 2)) || return 0
  if [[ $said =~ --([a-z-]+) ]]; then
    variable=${BASH_REMATCH[1]^^}
    variable=SOCI_${variable//-/_}
  fi
  refuse "${variable:+$variable: }$said"
}

# Ends with the first status that is not a bystander's (66: no input, 141: output closed), else with the first
# that is not 0.
blame() {
  local status bystander=0
  for status in "$@"; do
    case $status in
    0) ;;
    66 | 141) ((bystander)) || bystander=$status ;;
    *) exit "$status" ;;
    esac
  done
  exit "$bystander"
}

case ${1-} in
'')
  usage >&2
  exit 2
  ;;
-h | --help)
  usage
  exit
  ;;
soci-pull | soci-plan | soci-index | soci-push)
  find_credentials
  find_store
  [[ -z $hint ]] || printf '%s\n' "$hint" >&2
  exec "$@"
  ;;
-*)
  usage >&2
  refuse "unknown option \`$1\`"
  ;;
esac
# Job control gives the pipe a process group, so that a signal reaches every stage but not this shell. The
# subshell outlives the signal (a handler, unlike an ignored signal, is not inherited) and reads the statuses.
# A stage that was not there yet to get the signal, or takes long to end, gets it again, and is killed if that does not help.
pipe='' signal='' asked=''
forward() {
  signal=$1 asked=$1
  [[ -n $pipe ]] || return 0
  kill "-$signal" -- "-$pipe" || true
  (sleep 5 && kill "-$signal" -- "-$pipe" && sleep 3 && kill -KILL -- "-$pipe") &
} &>/dev/null
trap 'forward TERM' TERM
trap 'forward INT' INT
read_environment
find_credentials
find_store
try_options soci-pull
try_options soci-plan ${plan[@]+"${plan[@]}"}
try_options soci-index
try_options soci-push
set -m
(
  trap : INT TERM
  set +eo pipefail
  soci-pull "$@" </dev/null | soci-plan ${plan[@]+"${plan[@]}"} | soci-index | soci-push
  blame "${PIPESTATUS[@]}"
) &
pipe=$!
[[ -z $signal ]] || forward "$signal"

# A signal ends `wait` too, with a status of its own; asked again, it gives the pipe's.
until
  signal=''
  status=0
  wait "$pipe" || status=$?
  [[ -z $signal ]]
do :; done
case $status in
77 | 78) [[ -z $hint ]] || printf '%s\n' "$hint" >&2 ;;
137)
  [[ -z $asked ]] || exit "$((128 + $(kill -l "$asked")))"
  refuse 'a stage was killed: perhaps the container has too little memory' 137
  ;;
esac
exit "$status"
