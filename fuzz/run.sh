#!/usr/bin/env bash
# Fuzzes the readers of foreign files: fuzz/run.sh [SECONDS] [TARGET...]   default: 60 seconds for each target
#
# Needs the nightly toolchain (`rustup toolchain install nightly`), `cargo install cargo-fuzz`, and Node for the seeds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-60}
shift || true
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || targets=(snapshot pair source_map profile)
node fuzz/seeds.mjs
for target in "${targets[@]}"; do
  # A second is long for the small inputs here: what takes longer is a quadratic walk.
  # Safe code alone is fuzzed: an address sanitizer would find nothing and halve the speed.
  cargo +nightly fuzz run --sanitizer none "$target" -- -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=2048 \
    -dict=fuzz/heap.dict
done
