#!/usr/bin/env bash
# Runs every fuzz target one after another and says how many executions each had.
#
#   fuzz/run.sh SECONDS            each target for so long, under AddressSanitizer
#   fuzz/run.sh --runs N [TARGET]  each target (or one) so often; threaded targets a twentieth of it
#
# SANITIZER=none is two to three times as fast (the crate itself has no unsafe code); JOBS=2 runs two targets at a time; with --runs,
# LIMIT=SECONDS ends a target that takes longer; SEED=N begins elsewhere.
# Needs a nightly toolchain and cargo-fuzz; tries to install them, and skips aloud if that fails.
set -euo pipefail
cd "$(dirname "$0")"
export CARGO_TERM_COLOR=never RUST_BACKTRACE=0

case "${1:-}" in
  --runs) limit=runs amount=${2:?how many executions} only=${3:-} ;;
  [0-9]*) limit=seconds amount=$1 only=${2:-} ;;
  *) sed -n "2,10s/^# \{0,1\}//p" run.sh; exit 2 ;;
esac

skip() { echo "SKIPPED: no fuzzing here: $*"; exit 0; }
cargo +nightly --version >/dev/null 2>&1 ||
  rustup toolchain install nightly --profile minimal --no-self-update >/dev/null 2>&1 ||
  skip "there is no nightly toolchain, and rustup could not install one"
cargo +nightly fuzz --version >/dev/null 2>&1 ||
  cargo install --locked cargo-fuzz >/dev/null 2>&1 ||
  skip "cargo-fuzz could not be installed"

sanitizer=${SANITIZER:-address}
threaded=" concurrent_consistency concurrent_loads "
./seeds.py
mkdir -p artifacts
cargo +nightly fuzz build -s "$sanitizer" 2>&1 | tail -1

run() {
  local target=$1 options log=artifacts/$1.log
  options=("-seed=${SEED:-1}" -print_final_stats=1 -timeout=60 -rss_limit_mb=4096 "-artifact_prefix=artifacts/$target-")
  [ "$target" != trace_parsers ] || options+=(-dict=corpus/traces.dict)
  if [ $limit = seconds ]; then
    options+=("-max_total_time=$amount")
  elif [[ $threaded == *" $target "* ]]; then
    options+=("-runs=$((amount / 20))")
  else
    options+=("-runs=$amount")
  fi
  [ $limit = seconds ] || options+=("-max_total_time=${LIMIT:-0}")
  mkdir -p artifacts "corpus/$target"
  local started=$SECONDS
  if ! cargo +nightly fuzz run -s "$sanitizer" "$target" -- "${options[@]}" >"$log" 2>&1; then
    grep -A4 "panicked at\|ERROR: \|deadly signal" "$log" | head -40
    echo "FAILED: $target; see fuzz/$log, and give its input to: cargo +nightly fuzz run $target"
    return 1
  fi
  printf '%-24s %12d executions in %d s\n' "$target" \
    "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" $((SECONDS - started))
}

targets=()
for target in fuzz_targets/*.rs; do
  target=$(basename "$target" .rs)
  [ -n "$only" ] && [ "$only" != "$target" ] || targets+=("$target")
done
export -f run
export limit amount sanitizer threaded SEED LIMIT
printf '%s\n' "${targets[@]}" | xargs -P "${JOBS:-1}" -I{} bash -c 'set -euo pipefail; run {}' | tee artifacts/summary
failed=${PIPESTATUS[1]}
awk '/executions in/ { sum += $2 } END { print sum " executions" }' artifacts/summary
exit "$failed"
