# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs several parts of the tests one after the other and adds up what they say: sourced, not run.
#
# Each part ends with a line "N passed, N failed", which the sum is made of. What could not run has failed. What went
# wrong is said once more below the sum of its part, since a log is often read from its end.

# What is told at the end, and what it adds up to.
parts_verdicts=
parts_passed=0
parts_failed=0

# What the running part has said.
parts_log=$(mktemp)
parts_child=
parts_signal=KILL

# Root can give each part namespaces of its own, so that no process or mount of it is left, however it ends: who loses its
# parent is killed, and when the first process of such a namespace is killed, the kernel kills all others.
parts_guard='setpriv --pdeathsig KILL'
parts_fence="$parts_guard unshare --mount --mount-proc --pid --fork --kill-child"
$parts_fence true 2>/dev/null || {
  parts_guard=
  parts_fence=
  parts_signal=TERM
}

parts_stop ()
{
  if [ -n "$parts_child" ]; then
    kill -s "$parts_signal" "$parts_child" 2>/dev/null || true
    wait "$parts_child" 2>/dev/null || true
  fi
  exit "$1"
}

trap 'rm -f "$parts_log"' EXIT
trap 'parts_stop 129' HUP
trap 'parts_stop 130' INT
trap 'parts_stop 143' TERM

# Prints the lines of the log that name a test that failed or say why a program stopped, or else how the log ends.
parts_faults ()
{
  parts_found=$(grep -E '^(# )?(not ok|Bail out!)|:ERROR:|ERROR: .*Sanitizer|[0-9]+/[0-9]+ .* (FAIL|TIMEOUT|ERROR) ' \
    "$parts_log" | awk '!seen[$0]++' | head -n 40)
  : "${parts_found:=$(tail -n 15 "$parts_log")}"

  printf '%s\n' "$parts_found" | cut -c 1-300 | sed 's/^/  /'
}

# parts_add NAME STATUS: adds what the log ends with.
parts_add ()
{
  parts_sum=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$parts_log" | tail -n 1)
  parts_n_passed=${parts_sum%% *}
  parts_n_failed=${parts_sum#*, }
  parts_n_failed=${parts_n_failed%% *}
  : "${parts_n_passed:=0}" "${parts_n_failed:=0}"

  # Who is killed late, or says nothing, has failed whatever was counted before.
  if [ -z "$parts_sum" ]; then
    parts_n_failed=1
    parts_sum="it did not run to its end"
  elif [ "$2" -ne 0 ] && [ "$parts_n_failed" -eq 0 ]; then
    parts_n_failed=1
    parts_sum="$parts_sum, and then its status was $2"
  fi

  parts_passed=$((parts_passed + parts_n_passed))
  parts_failed=$((parts_failed + parts_n_failed))
  parts_verdicts="$parts_verdicts$1: $parts_sum
"
  if [ "$parts_n_failed" -gt 0 ]; then
    parts_verdicts="$parts_verdicts$(parts_faults)
"
  fi
}

# parts_run NAME SECONDS COMMAND…: runs a part, without standard input, and no longer than that.
parts_run ()
{
  parts_name=$1
  parts_limit=$2
  shift 2

  echo "=== $parts_name"
  parts_began=$(date +%s)

  # The status of a command in a pipe is hidden, and a shell only listens to signals while it waits for a child that is
  # in the background.
  : >"$parts_log"
  # shellcheck disable=SC2086 # commands, or nothing
  $parts_guard timeout --signal "$parts_signal" --kill-after 60 "$parts_limit" $parts_fence "$@" \
    </dev/null >"$parts_log" 2>&1 &
  parts_child=$!
  tail --follow --lines +1 --pid "$parts_child" --sleep-interval 0.2 "$parts_log" &
  parts_tail=$!

  parts_status=0
  wait "$parts_child" || parts_status=$?
  parts_child=
  wait "$parts_tail" || true

  parts_add "$parts_name ($(($(date +%s) - parts_began)) s)" "$parts_status"
}

# Says what came of each part, and the sum as the last line of all, and exits.
parts_end ()
{
  printf '=== Sum\n%s' "$parts_verdicts"
  echo "$parts_passed passed, $parts_failed failed"

  [ "$parts_failed" -eq 0 ] && [ "$parts_passed" -gt 0 ] || exit 1
  exit 0
}
