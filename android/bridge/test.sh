#!/usr/bin/env bash
# Builds the native library, its Kotlin side and a server, and runs the Kotlin tests: `make kotlin`.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo=${CARGO:-cargo}

has_jdk() {
    local version
    version=$(javac -version 2>&1) && [[ $version =~ ^javac\ ([0-9]+) ]] && ((BASH_REMATCH[1] >= 17))
}

if ! has_jdk || ! command -v mvn >/dev/null; then
    if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
        echo "kotlin: installing default-jdk-headless and maven by apt-get"
        export DEBIAN_FRONTEND=noninteractive
        # Where this fails the lines below say what is missing.
        apt-get update -qq &&
            apt-get install -y -qq --no-install-recommends default-jdk-headless maven >/dev/null || true
    fi
    has_jdk || { echo "kotlin: a JDK of version 17 or later is missing (Debian: default-jdk-headless)" >&2; exit 1; }
    command -v mvn >/dev/null || { echo "kotlin: Maven is missing (Debian: maven)" >&2; exit 1; }
fi

# The same selection as `make test`, so that nothing is built twice.
$cargo test --locked --quiet --workspace --all-features --no-run
target=$($cargo metadata --locked --format-version 1 --no-deps | sed -E 's/.*"target_directory":"([^"]*)".*/\1/')
native=$target/debug/deps
case $(uname -s) in
    Darwin) library=$native/libgridpass_ffi.dylib ;;
    *) library=$native/libgridpass_ffi.so ;;
esac

bindings=$PWD/android/bridge/target/bindings
rm -rf "$bindings"
$cargo run --locked --quiet --manifest-path ffi/bindgen/Cargo.toml -- kotlin "$library" "$bindings"

mvn -B -ntp -q -f android/bridge/pom.xml -Dkotlin.compiler.daemon=false \
    -Dnative.dir="$native" -Dgridpass.server="$target/debug/gridpass-server" test
sed -nE 's/.*<testsuite .* name="([^"]*)".* tests="([0-9]+)".*/kotlin: \2 tests of \1 hold/p' \
    android/bridge/target/surefire-reports/TEST-*.xml
