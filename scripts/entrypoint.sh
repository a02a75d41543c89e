#!/bin/sh
# The container's entrypoint: the four tools in a pipe, or one of them. It is installed as `soci-run`,
# too: the pipe as one command.
# It translates the environment into options, finds credentials and a store, passes signals on,
# and ends with the status of the pipe. It makes no decision about an image.
# POSIX sh: the container has no other shell than that of busybox.
set -efu

name=${0##*/}
[ "$name" = soci-run ] || name=soci
# The tools of an unpacked archive, which need not be in PATH.
[ ! -x "${0%/*}/soci-pull" ] || PATH=${0%/*}:$PATH

usage() {
  if [ "$name" = soci-run ]; then
    cat <<'END'
usage: soci-run [--check] [--dry-run] [--summary FILE] REF…
END
  else
    usage_of_container
  fi
  cat <<'END'

Builds the SOCI index of each image REF and pushes it beside the image.

  --check          run soci-check before soci-push, which then pushes nothing wrong
  --dry-run        push nothing, but print what would be pushed
  --summary FILE   write a report to FILE: HTML if its name ends with .html, else Markdown;
                   $GITHUB_STEP_SUMMARY is appended to

  MIN_LAYER_SIZE   skip layers smaller than this many MiB, or than a size such as 10MB (default 10)
  IMAGE_ARCH       platforms, such as linux/amd64,linux/arm64, or all (default linux/amd64)
  AWS_REGION       the region, if the registry's host name does not contain it
  SOCI_CHECK       true for --check
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
  # What is not printable, or invisible, does not reach a terminal or a log.
  message=$(printf '%s' "$1" | LC_ALL=C tr -c ' -~' '?')
  case ${SOCI_LOG_FORMAT-} in
  [jJ][sS][oO][nN])
    message=$(printf '%s' "$message" | sed 's/[\\"]/\\&/g')
    printf '{"level":"error","tool":"%s","message":"%s","exit":%d}\n' "$name" "$message" "${2:-2}" >&2
    ;;
  *) printf '%s: error: %s\n' "$name" "$message" >&2 ;;
  esac
  exit "${2:-2}"
}

# Fails if the file $1, which exists, cannot be read. `test -r` of busybox always succeeds for root,
# who may lack the capability to read the files of others.
can_read() {
  (: <"$1") 2>/dev/null
}

# Prints the file or directory below $1 that keeps the AWS credentials from being read. Fails if
# they can be read.
unreadable_file() {
  if [ -d "$1" ] && ! (cd "$1") 2>/dev/null; then
    echo "$1"
  elif [ -e "$1/credentials" ] && ! can_read "$1/credentials"; then
    echo "$1/credentials"
  elif [ -e "$1/config" ] && ! can_read "$1/config"; then
    echo "$1/config"
  else
    return 1
  fi
}

# Points the AWS credential chain to /root/.aws, where older builders mounted it, unless the home
# directory has one. Files that cannot be read are hidden from the tools: the credential chain would
# stop there, although a role may give credentials. `hint` keeps the message that is shown if no
# other credentials are found.
hint=''
find_credentials() {
  [ -z "${AWS_SHARED_CREDENTIALS_FILE-}${AWS_CONFIG_FILE-}" ] || return 0
  for directory in "${HOME:+$HOME/.aws}" /root/.aws; do
    [ -n "$directory" ] || continue
    if file=$(unreadable_file "$directory"); then
      export AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_CONFIG_FILE=/dev/null
      hint="soci: $file cannot be read by uid $(id -u): add --user \"\$(id -u):\$(id -g)\" to docker run"
    elif [ -e "$directory/credentials" ] || [ -e "$directory/config" ]; then
      hint=''
      [ "$directory" != "${HOME-}/.aws" ] || return 0
      export AWS_SHARED_CREDENTIALS_FILE="$directory/credentials" AWS_CONFIG_FILE="$directory/config"
      return
    fi
  done
}

# Fails if no file can be created in the directory $1. `test -w` of busybox always succeeds for root,
# even on a read-only file system.
can_write() {
  probe=$(mktemp "$1/.soci.XXXXXX" 2>/dev/null) && rm -f "$probe"
}

# Takes the first directory that can be written, since any user and a read-only root are supported.
# Who mounts a volume at /var/lib/soci trusts all who can write to that volume.
find_store() {
  [ -z "${SOCI_STORE-}" ] || return 0
  for directory in /var/lib/soci "${XDG_CACHE_HOME:-${HOME-}/.cache}" "${TMPDIR:-/tmp}"; do
    mkdir -p "$directory" 2>/dev/null || continue
    can_write "$directory" || continue
    if [ "$directory" = /var/lib/soci ]; then
      export SOCI_TRUST_STORE="${SOCI_TRUST_STORE:-true}"
    else
      directory=$directory/soci
    fi
    export SOCI_STORE="$directory"
    return
  done
  refuse 'no directory for the store can be written: add a volume at /var/lib/soci, or set SOCI_STORE' 73
}

# Fails if a tool with these arguments needs no store.
needs_store() {
  [ "$1" != soci-report ] || return 1
  for argument in "$@"; do
    case $argument in
    -h | --help | -V | --version) return 1 ;;
    esac
  done
}

# Returns whether all of $2 matches the extended regular expression $1, in any case.
matches() {
  printf '%s\n' "$2" | grep -Eiqx -e "$1"
}

# Sets `size` and `platforms`, the options for MIN_LAYER_SIZE and IMAGE_ARCH. For an unset or empty
# variable, the tool's default applies.
size='' platforms=''
read_environment() {
  # shellcheck disable=SC2046 # the words
  set -- $(printf '%s' "${MIN_LAYER_SIZE-}" | tr '[:space:]' ' ')
  size=$*
  if matches '[0-9]{1,12}' "$size"; then
    size=$(printf '%s' "$size" | sed 's/^0*\(.\)/\1/')MiB
  elif [ -n "$size" ] && ! matches '[0-9]{1,12}(\.[0-9]+)? *([kmgt]i?b?|b)' "$size"; then
    refuse "MIN_LAYER_SIZE: expected a whole number of MiB, or a number with a unit such as 10MB, found \`$size\`"
  fi
  # shellcheck disable=SC2046 # the words
  set -- $(printf '%s' "${IMAGE_ARCH-}" | tr '[:space:],' ' ')
  if [ $# = 1 ] && matches all "$1"; then
    platforms=--all-platforms
    return
  fi
  for platform in "$@"; do
    if ! matches '[a-z0-9][a-z0-9_.-]*(/[a-z0-9_.-]+){0,2}' "$platform" || matches all "$platform"; then
      refuse "IMAGE_ARCH: expected \`all\` or platforms such as linux/amd64, found \`$platform\`"
    fi
    platforms="$platforms --platform $platform"
  done
}

# Sets `check` if SOCI_CHECK is true, in the spellings that the tools take.
read_check() {
  value=$(printf '%s' "${SOCI_CHECK-}" | tr '[:space:]' ' ')
  if matches ' *(true|t|yes|y|on|1) *' "$value"; then
    check=1
  elif ! matches ' *(false|f|no|n|off|0)? *' "$value"; then
    refuse "SOCI_CHECK: expected \`true\` or \`false\`, found \`$value\`"
  fi
}

# Runs a tool without input, and exits if the tool refuses its options or a variable, whose name its
# message begins with: before any tool sends a request. The options stand for variables.
check_options() {
  status=0
  message=$("$@" </dev/null 2>&1 >/dev/null) || status=$?
  [ "$status" = 2 ] || return 0
  printf '%s\n' "$message" | sed 's/--min-layer-size/MIN_LAYER_SIZE/g; s/--platform/IMAGE_ARCH/g' >&2
  exit 2
}

# Sets `temporary` to a new directory, which is removed at the end. A named pipe can be made in it.
temporary=''
make_directory() {
  : "${SOCI_STORE=}"
  for directory in "${TMPDIR:-/tmp}" "${SOCI_STORE-}" "${SOCI_STORE%/*}" "${XDG_CACHE_HOME:-${HOME-}/.cache}"; do
    temporary=$(mktemp -d "$directory/.soci.XXXXXX" 2>/dev/null) || continue
    trap 'rm -rf "$temporary"' EXIT
    ! mkfifo "$temporary/pipe" 2>/dev/null || return 0
    rm -rf "$temporary"
  done
  refuse 'no directory for temporary files can be written: set TMPDIR, or mount one at /tmp' 73
}

# Starts a stage that reads file descriptor 3, and leaves the output of the stage there for the next
# one. The stages are children of this shell, which waits for each of them.
stages=''
start_stage() {
  # Opened for both, a named pipe waits for no other process.
  # shellcheck disable=SC2094 # its two ends
  exec 4<>"$temporary/pipe" 5>"$temporary/pipe" 6<"$temporary/pipe" 4>&-
  rm "$temporary/pipe"
  mkfifo "$temporary/pipe"
  "$@" <&3 >&5 3<&- 5>&- 6<&- &
  stages="$stages $!"
  exec 3<&6 5>&- 6<&-
}

start_last_stage() {
  "$@" <&3 3<&- &
  stages="$stages $!"
  exec 3<&-
}

start_pipe() {
  exec 3</dev/null
  start_stage soci-pull -- "$@"
  # shellcheck disable=SC2086 # several options
  start_stage soci-plan ${size:+--min-layer-size "$size"} $platforms
  start_stage soci-index
  [ -z "$check" ] || start_stage soci-check
  if [ -n "$summary" ]; then
    start_stage soci-push
    start_last_stage tee "$temporary/documents"
  else
    start_last_stage soci-push
  fi
}

# Passes a signal on to every stage. A stage that does not end within 5 seconds gets it again, and is
# killed 3 seconds later. A shell makes what it starts in the background ignore INT and QUIT, so that
# the stages get TERM for these.
signal='' asked='' guard=''
forward() {
  signal=$1 asked=$1
  [ -n "$stages" ] || return 0
  case $signal in
  INT | QUIT) set -- TERM ;;
  esac
  # `kill` fails if one of the stages has ended.
  # shellcheck disable=SC2086 # several processes
  {
    kill -s "$1" $stages || true
    (
      sleep 5
      kill -s "$1" $stages || true
      sleep 3
      kill -s KILL $stages
    ) &
  } >/dev/null 2>&1
  guard="$guard $!"
}

# Waits for a stage, and sets `status`. A signal interrupts `wait`, which then returns a status of its
# own. The next call returns that of the stage, or 127 if the first one had it. The shell's message of
# a process that a signal has ended is left out.
wait_for() {
  signal='' status=0
  wait "$1" 2>/dev/null || status=$?
  while [ -n "$signal" ]; do
    signal='' again=0
    wait "$1" 2>/dev/null || again=$?
    [ "$again" != 127 ] || break
    status=$again
  done
}

# Sets `status` to that of the last tool, which is told of each image that failed, unless a stage was
# killed and could tell nothing. A stage ends with 141 if another one after it was killed.
wait_for_pipe() {
  # `tee` follows the tools if there is a summary.
  result='' others=${summary:+1}
  others=${others:-0}
  # shellcheck disable=SC2086 # several processes
  set -- $stages
  while [ $# -gt "$others" ]; do
    wait_for "$1"
    shift
    stages=$*
    case $result in
    '' | 141) result=$status ;;
    *) [ "$result" -gt 128 ] || result=$status ;;
    esac
  done
  [ $# = 0 ] || wait_for "$1"
  # shellcheck disable=SC2086 # several processes
  [ -z "$guard" ] || kill $guard 2>/dev/null || true
  status=$result
}

# Writes the report of the documents. If that fails, exits with the status of the pipe, or else 74.
write_summary() {
  format=markdown
  case $summary in
  *.html) format=html ;;
  esac
  if [ "$summary" = "${GITHUB_STEP_SUMMARY-}" ]; then
    soci-report --format "$format" <"$temporary/documents" >>"$summary"
  else
    soci-report --format "$format" <"$temporary/documents" >"$summary"
  fi || refuse "the report could not be written to \`$summary\`" $((status ? status : 74))
}

# Refuses a command such as `bash`, which a CI system or a user expects to run in the container. A
# reference with a tag or a registry is none.
refuse_command() {
  [ "$name" = soci ] || return 0
  case $1 in
  /*) ;;
  *[!a-zA-Z0-9_-]*) return 0 ;;
  bash | dash | zsh | python | python3) ;;
  *) command -v -- "$1" >/dev/null || return 0 ;;
  esac
  printf '%s\n' "This image contains the SOCI index tools. Its entrypoint takes references to images, or the name of a tool;
without arguments it prints its help. For a shell, run: docker run --rm -it --entrypoint sh IMAGE" >&2
  case $1 in
  /*) refuse "\`$1\` is a command, not a reference" ;;
  *) refuse "\`$1\` is a command, not a reference: for the image of this name, write \`$1:latest\`" ;;
  esac
}

case ${1-} in
soci-pull | soci-plan | soci-index | soci-check | soci-push | soci-report | soci-prune)
  find_credentials
  ! needs_store "$@" || find_store
  [ -z "$hint" ] || printf '%s\n' "$hint" >&2
  exec "$@"
  ;;
?*) refuse_command "$1" ;;
esac

# Moves the references to the end of the arguments, and takes the options away.
summary='' check='' unread=$#
while [ "$unread" -gt 0 ]; do
  argument=$1 unread=$((unread - 1))
  shift
  case $argument in
  --check) check=1 ;;
  --dry-run) export SOCI_DRY_RUN=true ;;
  --summary)
    summary=${1-}
    [ "$unread" -gt 0 ] || summary=''
    [ -n "$summary" ] || refuse '--summary: expected the name of a file'
    unread=$((unread - 1))
    shift
    ;;
  --summary=?*) summary=${argument#*=} ;;
  -h | --help)
    usage
    exit
    ;;
  -V | --version)
    version=$(soci-push --version)
    printf '%s\n' "$name${version#soci-push}"
    exit
    ;;
  --)
    while [ "$unread" -gt 0 ]; do
      set -- "$@" "$1"
      shift
      unread=$((unread - 1))
    done
    ;;
  -*)
    usage >&2
    refuse "unknown option \`${argument%%=*}\`"
    ;;
  *) set -- "$@" "$argument" ;;
  esac
done
if [ $# = 0 ]; then
  usage >&2
  exit 2
fi

# A signal that was ignored when the container started, as below `nohup`, stays ignored.
for kind in HUP INT QUIT TERM; do
  # shellcheck disable=SC2064 # the signal of this round
  trap "forward $kind" "$kind"
done
read_environment
read_check
if [ "$name" = soci ]; then
  find_credentials
  find_store
fi
check_options soci-pull
# shellcheck disable=SC2086 # several options
check_options soci-plan ${size:+--min-layer-size "$size"} $platforms
check_options soci-index
[ -z "$check" ] || check_options soci-check
check_options soci-push
make_directory
start_pipe "$@"
[ -z "$signal" ] || forward "$signal"
wait_for_pipe
case $status in
77 | 78) [ -z "$hint" ] || printf '%s\n' "$hint" >&2 ;;
137 | 143)
  case $asked in
  HUP) exit 129 ;;
  INT) exit 130 ;;
  QUIT) exit 131 ;;
  TERM) exit 143 ;;
  esac
  [ "$status" != 137 ] || refuse 'a stage was killed: perhaps the container has too little memory' 137
  ;;
esac
[ -z "$summary" ] || write_summary
exit "$status"
