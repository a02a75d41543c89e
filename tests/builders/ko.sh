# shellcheck shell=bash
# ko: an image of a Go program, on a base that skopeo pushed.

version() { ko version; }

build() {
  export KO_DOCKER_REPO=${1%:*} KO_DEFAULTBASEIMAGE=${1%:*}:base GOTOOLCHAIN=local
  tar -C "$IMAGE/more" -czf base.tar.gz .
  "$BUILDERS/write-layout" base base.tar.gz
  skopeo --insecure-policy copy --dest-tls-verify=false oci:base:v1 "docker://$KO_DEFAULTBASEIMAGE"
  (cd "$BUILDERS" && ko build --bare --insecure-registry --tags "${1##*:}" ./ko)
  echo "$1"
}
