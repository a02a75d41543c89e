#!/usr/bin/env bash
# The container's entrypoint: the four tools in a pipe, or one of them. It is installed as `soci-run`,
# too: the pipe as one command.
# It translates the environment into options, finds credentials and a store, passes signals on,
# and ends with the status of the pipe. It makes no decision about an image.
set -euo pipefail

name=${0##*/}
[[ $name == soci-run ]] || name=soci

usage() {
  if [[ $name == soci-run ]]; then
    cat <<'END'
usage: soci-run [--dry-run] [--summary FILE] REF…
END
  else
    usage_of_container
  fi
  cat <<'END'

Builds the SOCI index of each image REF and pushes it beside the image.

  --dry-run        push nothing, but print what would be pushed
  --summary FILE   write a report to FILE: HTML if its name ends with .html, else Markdown;
                   $GITHUB_STEP_SUMMARY is appended to

  MIN_LAYER_SIZE   skip layers smaller than this many MiB, or than a size such as 10MB (default 10)
  IMAGE_ARCH       platforms, such as linux/amd64,linux/arm64, or all (default linux/amd64)
  AWS_REGION       the region, if the registry's host name does not contain it
  SOCI_…           any option of the tools: see `soci-index --help`
END
}

usage_of_container() {
  cat <<'END'
usage: docker run --rm [--user "$(id -u):$(id -g)"] [-e NAME=VALUE…] [-v ~/.aws:/home/soci/.aws:ro] IMAGE REF…
       docker run … IMAGE soci-pull|soci-plan|soci-index|soci-check|soci-push|soci-report|soci-prune [ARGUMENT…]
END
}

# Prints an error in the format of the tools' messages, and exits.
refuse() {
  local message=$1 status=${2:-2} LC_ALL=C
  # What is not printable, or invisible, does not reach a terminal or a log.
  message=${message//[^ -~]/?}
  if [[ ${SOCI_LOG_FORMAT-} == [jJ][sS][oO][nN] ]]; then
    message=${message//\\/\\\\} message=${message//\"/\\\"}
    printf '{"level":"error","tool":"%s","message":"%s","exit":%d}\n' "$name" "$message" "$status" >&2
  else
    printf '%s: error: %s\n' "$name" "$message" >&2
  fi
  exit "$status"
}

# Prints the file or directory below $1 that keeps the AWS credentials from being read. Fails if
# they can be read.
unreadable_file() {
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

# Points the AWS credential chain to /root/.aws, where older builders mounted it, unless the home
# directory has one. Files that cannot be read are hidden from the tools: the credential chain would
# stop there, although a role may give credentials. `hint` keeps the message that is shown if no
# other credentials are found.
hint=
find_credentials() {
  local directory file
  [[ -z ${AWS_SHARED_CREDENTIALS_FILE-}${AWS_CONFIG_FILE-} ]] || return 0
  for directory in "${HOME:+$HOME/.aws}" /root/.aws; do
    [[ -n $directory ]] || continue
    if file=$(unreadable_file "$directory"); then
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

# Takes the first directory that can be written, since any user and a read-only root are supported.
# Who mounts a volume at /var/lib/soci trusts all who can write to that volume.
find_store() {
  local directory
  [[ -z ${SOCI_STORE-} ]] || return 0
  for directory in /var/lib/soci "${XDG_CACHE_HOME:-${HOME-}/.cache}" "${TMPDIR:-/tmp}"; do
    if [[ -w $directory ]] || mkdir -p "$directory" 2>/dev/null && [[ -w $directory ]]; then
      if [[ $directory == /var/lib/soci ]]; then
        [[ -n ${SOCI_TRUST_STORE-} ]] || export SOCI_TRUST_STORE=true
      else
        directory+=/soci
      fi
      export SOCI_STORE=$directory
      return
    fi
  done
  refuse 'no directory for the store can be written: add a volume at /var/lib/soci, or set SOCI_STORE' 73
}

# Fills `plan` with the options for MIN_LAYER_SIZE and IMAGE_ARCH. For an unset or empty variable,
# the tool's default applies.
plan=()
read_environment() {
  local size=${MIN_LAYER_SIZE-} list=${IMAGE_ARCH-} platform platforms
  read -r size <<<"${size//[[:space:]]/ }"
  if [[ $size =~ ^[0-9]{1,12}$ ]]; then
    plan+=(--min-layer-size "$((10#$size))MiB")
  elif [[ ${size,,} =~ ^[0-9]{1,12}(\.[0-9]+)?\ *([kmgt]i?b?|b)$ ]]; then
    plan+=(--min-layer-size "$size")
  elif [[ -n $size ]]; then
    refuse "MIN_LAYER_SIZE: expected a whole number of MiB, or a number with a unit such as 10MB, found \`$size\`"
  fi
  read -r -a platforms <<<"${list//[[:space:],]/ }"
  if [[ ${platforms[*]-} == [aA][lL][lL] ]]; then
    plan+=(--all-platforms)
  else
    for platform in ${platforms[@]+"${platforms[@]}"}; do
      [[ $platform =~ ^[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9_.-]+){0,2}$ && ${platform,,} != all ]] ||
        refuse "IMAGE_ARCH: expected \`all\` or platforms such as linux/amd64, found \`$platform\`"
      plan+=(--platform "$platform")
    done
  fi
}

# Runs a tool without input, and exits if the tool refuses its options or a variable, whose name its
# message begins with: before any tool sends a request. The options in `plan` stand for variables.
check_options() {
  local message status=0
  message=$("$@" </dev/null 2>&1 >/dev/null) || status=$?
  ((status == 2)) || return 0
  message=${message//--min-layer-size/MIN_LAYER_SIZE}
  message=${message//--platform/IMAGE_ARCH}
  printf '%s\n' "$message" >&2
  exit 2
}

# Exits with the status of the last stage, which is told of each image that failed, unless a stage
# was killed and could tell nothing. A stage ends with 141 if another one after it was killed.
exit_with_pipe_status() {
  local status
  for status in "$@"; do
    ((status <= 128 || status == 141)) || break
  done
  exit "$status"
}

# Fills `references`, and sets what the options ask for.
references=() summary=''
read_arguments() {
  while (($#)); do
    case $1 in
    --dry-run) export SOCI_DRY_RUN=true ;;
    --summary)
      [[ -n ${2-} ]] || refuse '--summary: expected the name of a file'
      summary=$2
      shift
      ;;
    --summary=?*) summary=${1#*=} ;;
    -h | --help)
      usage
      exit
      ;;
    -V | --version)
      soci-push --version
      exit
      ;;
    --)
      references+=("${@:2}")
      break
      ;;
    -*)
      usage >&2
      refuse "unknown option \`${1%%=*}\`"
      ;;
    *) references+=("$1") ;;
    esac
    shift
  done
  ((${#references[@]})) || {
    usage >&2
    exit 2
  }
}

# Writes the report of the documents. If that fails, exits with the status of the pipe, or else 74.
write_summary() {
  local format=markdown
  [[ $summary != *.html ]] || format=html
  if [[ $summary == "${GITHUB_STEP_SUMMARY-}" ]]; then
    soci-report --format "$format" <"$documents" >>"$summary"
  else
    soci-report --format "$format" <"$documents" >"$summary"
  fi || refuse "the report could not be written to \`$summary\`" $((status ? status : 74))
}

case ${1-} in
soci-pull | soci-plan | soci-index | soci-check | soci-push | soci-report | soci-prune)
  find_credentials
  find_store
  [[ -z $hint ]] || printf '%s\n' "$hint" >&2
  exec "$@"
  ;;
esac
read_arguments "$@"
# Job control gives the pipe a process group, so that a signal reaches every stage but not this
# shell. The subshell survives the signal and reads the statuses: it has a handler, which, unlike an
# ignored signal, is not inherited. A stage that started after the signal, or that takes more than 5
# seconds to end, gets the signal again, and is killed 3 seconds later.
pipe='' signal='' asked=''
forward() {
  signal=$1 asked=$1
  [[ -n $pipe ]] || return 0
  kill "-$signal" -- "-$pipe" || true
  (sleep 5 && kill "-$signal" -- "-$pipe" && sleep 3 && kill -KILL -- "-$pipe") &
} &>/dev/null
# A signal that was ignored when the container started, as below `nohup`, stays ignored.
for kind in HUP INT QUIT TERM; do
  # shellcheck disable=SC2064 # the signal of this round
  trap "forward $kind" "$kind"
done
read_environment
if [[ $name == soci ]]; then
  find_credentials
  find_store
fi
check_options soci-pull
check_options soci-plan ${plan[@]+"${plan[@]}"}
check_options soci-index
check_options soci-push
documents=/dev/null
if [[ -n $summary ]]; then
  documents=$(mktemp 2>/dev/null || mktemp -p "${SOCI_STORE-/}" 2>/dev/null) ||
    refuse '--summary needs a directory for temporary files: set TMPDIR, or mount one at /tmp' 73
  trap 'rm -f "$documents"' EXIT
fi
set -m
(
  trap : HUP INT QUIT TERM
  set +eo pipefail
  if [[ -n $summary ]]; then
    soci-pull -- "${references[@]}" </dev/null | soci-plan ${plan[@]+"${plan[@]}"} | soci-index | soci-push |
      tee "$documents"
    exit_with_pipe_status "${PIPESTATUS[@]:0:4}"
  fi
  soci-pull -- "${references[@]}" </dev/null | soci-plan ${plan[@]+"${plan[@]}"} | soci-index | soci-push
  exit_with_pipe_status "${PIPESTATUS[@]}"
) &
pipe=$!
[[ -z $signal ]] || forward "$signal"

# A signal interrupts `wait`, which then returns a status of its own. The next call returns the
# pipe's status.
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
[[ -z $summary ]] || write_summary
exit "$status"
