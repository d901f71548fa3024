#!/bin/sh
# Stands in for cargo in the Dockerfile's first stage: knows that one command, and "builds" the flowjail that the tests
# were built with. A toolchain and a registry are not in these tests.
[ "$*" = "build --release --locked --target x86_64-unknown-linux-gnu" ] || { echo "called with: $*"; exit 9; }
[ "$RUSTFLAGS" = "-C target-feature=+crt-static" ] || { echo "RUSTFLAGS: $RUSTFLAGS"; exit 9; }
for file in Cargo.toml Cargo.lock src/main.rs src/install/locks/3.1.4/package-lock.json profiles/flowise.toml; do
    [ -s "$file" ] || { echo "$file is not in the context"; exit 9; }
done
[ ! -e target ] && [ ! -e tests ] || { echo "the context has more than is copied"; exit 9; }
mkdir -p target/x86_64-unknown-linux-gnu/release && mv /flowjail target/x86_64-unknown-linux-gnu/release
