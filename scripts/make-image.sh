#!/usr/bin/env bash
# Builds a large image for measurements, like those of users: Python wheels on a Debian base, each
# in a layer.
#   make-image.sh TARGET [MB]
# TARGET is a reference for `docker push`, such as 127.0.0.1:5000/app:v1, or a new directory that
# starts with / or ./ for an OCI image layout. MB is the minimum size of all wheels together,
# compressed; the default is 300. Needs root, docker, debootstrap and pip, and skopeo for a layout.
# Downloads are kept below ~/.cache.
set -euo pipefail

usage() {
  echo "usage: ${0##*/} REFERENCE|./DIRECTORY [MB]" >&2
  exit 2
}

# Large wheels of compiled code and of data. They are not run, so their dependencies are left out.
wheels=(numpy==2.2.6 pandas==2.2.3 scipy==1.15.3 pyarrow==20.0.0 opencv-python-headless==4.11.0.86
  scikit-learn==1.6.1 polars==1.30.0 tensorflow==2.14.0 jaxlib==0.6.1 xgboost-cpu==3.0.2 torch==2.7.0)

target=${1-}
megabytes=${2:-300}
[[ -n $target && $megabytes =~ ^[0-9]+$ ]] || usage
case $target in
/*) layout=$target image=soci-test/large ;;
./*) layout=$PWD/$target image=soci-test/large ;;
*) layout='' image=$target ;;
esac
cd "$(dirname "$0")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/soci-test/wheels
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
eval "$(scripts/test-bases.sh runtime)"

printf 'FROM %s\n' "$RUNTIME_IMAGE" >"$context/Dockerfile"
size=0
for wheel in "${wheels[@]}"; do
  ((size < megabytes)) || break
  name=${wheel%%==*}
  [[ -d $cache/$wheel ]] || {
    pip download -q --no-deps --only-binary :all: -d "$cache/$wheel.new" "$wheel"
    mv "$cache/$wheel.new" "$cache/$wheel"
  }
  mkdir "$context/$name"
  python3 -m zipfile -e "$cache/$wheel"/*.whl "$context/$name"
  printf 'COPY %s/ /usr/lib/python3/dist-packages/\n' "$name" >>"$context/Dockerfile"
  size=$((size + $(du -sm "$cache/$wheel" | cut -f 1)))
done
((size >= megabytes)) || {
  printf 'make-image: all wheels together have only %d MB\n' "$size" >&2
  exit 2
}

docker build -q --network host -t "$image" "$context" 2>/dev/null
if [[ -n $layout ]]; then
  skopeo --insecure-policy copy -q --format oci "docker-daemon:$image:latest" "oci:$layout:latest"
else
  docker push -q "$image"
fi
