# shellcheck shell=bash
# Static builds of our binaries, as the images hold them.

STATIC_TARGET=x86_64-unknown-linux-gnu

# cargo_static ARGUMENT...
# The target is named, so that the flags reach our crates and not their build scripts.
cargo_static() {
  step "cargo build $*"
  (cd "$REPO" && CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --locked --quiet --target "$STATIC_TARGET" --bins "$@")
}

# static_binary PROFILE NAME: where the build lies.
static_binary() {
  printf '%s/%s/%s/%s' "${CARGO_TARGET_DIR:-$REPO/target}" "$STATIC_TARGET" "$1" "$2"
}
