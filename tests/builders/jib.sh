# shellcheck shell=bash
# Jib as a Maven plugin: an image of a Java program and other files, without a base.

version() { sed -n '/jib-maven-plugin/{n;s/.*<version>\(.*\)<.*/\1/p}' "$BUILDERS/jib/pom.xml"; }

build() {
  cp "$BUILDERS/jib/pom.xml" .
  cp -a "$IMAGE/root" .
  javac -d target/classes "$BUILDERS/jib/Hello.java"
  mvn -B -q jib:build -Djib.to.image="$1" >&2
  echo "$1"
}
