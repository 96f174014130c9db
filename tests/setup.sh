# SPDX-License-Identifier: LGPL-2.1-or-later
# What the scripts of tests/ and examples/run share: sourced, not run. The sourcing script sets $root, the repository.

: "${root:?}"

# What the library itself is built with on Debian 12 and 13.
agentbus_packages='
  gcc libc6-dev meson ninja-build pkg-config
  libglib2.0-dev libjson-glib-dev
  gobject-introspection libgirepository1.0-dev
'

# What agentbus_setup found missing.
agentbus_missing=

agentbus_fail ()
{
  echo "agentbus: $*" >&2
  exit 1
}

# Runs a command silently; if it fails, shows what it said.
agentbus_quietly ()
{
  agentbus_log=$(mktemp)
  if "$@" >"$agentbus_log" 2>&1; then
    rm -f "$agentbus_log"
    return 0
  fi

  cat "$agentbus_log" >&2
  rm -f "$agentbus_log"
  return 1
}

agentbus_as_root ()
{
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    return 1
  fi
}

# A package may be there for two architectures.
agentbus_is_installed ()
{
  dpkg-query --show --showformat '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

agentbus_apt_install ()
{
  agentbus_as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
}

# Package lists may be missing, as in a new container, or older than what the mirrors have.
agentbus_install ()
{
  echo "agentbus: installing $*"

  agentbus_apt_install "$@" >/dev/null 2>&1 && return 0

  agentbus_quietly agentbus_as_root apt-get update && agentbus_quietly agentbus_apt_install "$@" && return 0

  agentbus_fail "cannot install them; as root: apt-get update && apt-get install --no-install-recommends $*"
}

# What a Debian package is known by elsewhere: a program, or a module of pkg-config.
agentbus_is_there ()
{
  case $1 in
    gcc) command -v cc || command -v gcc ;;
    meson) command -v meson ;;
    ninja-build) command -v ninja ;;
    pkg-config) command -v pkg-config ;;
    libglib2.0-dev) pkg-config --exists 'gio-2.0 >= 2.74' ;;
    libjson-glib-dev) pkg-config --exists json-glib-1.0 ;;
    libpocketsphinx-dev) pkg-config --exists pocketsphinx sphinxbase ;;
    libnats-dev) pkg-config --exists 'libnats >= 3.4' ;;
    nats-server) command -v nats-server || [ -x /usr/sbin/nats-server ] ;;
    libespeak-ng-dev) pkg-config --exists espeak-ng ;;
    *) true ;;
  esac >/dev/null 2>&1
}

# agentbus_setup PACKAGE…: makes sure that these Debian packages are there, besides those that the library
# needs. On other systems, it can but say what is missing.
agentbus_setup ()
{
  agentbus_missing=
  agentbus_check=agentbus_is_there
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null && agentbus_check=agentbus_is_installed

  for agentbus_package in $agentbus_packages "$@"; do
    "$agentbus_check" "$agentbus_package" || agentbus_missing="$agentbus_missing $agentbus_package"
  done

  [ -n "$agentbus_missing" ] || return 0

  [ "$agentbus_check" = agentbus_is_installed ] ||
    agentbus_fail "install what Debian calls:$agentbus_missing"

  # shellcheck disable=SC2086 # a list
  agentbus_install $agentbus_missing
}

# agentbus_configure DIR [OPTION…]: sets the build folder up, or gives the one that is there these options.
agentbus_configure ()
{
  agentbus_dir=$1
  shift

  if [ ! -f "$agentbus_dir/build.ninja" ]; then
    agentbus_quietly meson setup "$agentbus_dir" "$root" "$@" || agentbus_fail "cannot set up $agentbus_dir"
  elif [ -n "$agentbus_missing" ] || [ $# -gt 0 ]; then
    # What was not there at the last time may be there now.
    agentbus_quietly meson setup --reconfigure "$agentbus_dir" "$root" "$@" ||
      agentbus_fail "cannot set up $agentbus_dir again"
  fi
}

# agentbus_build DIR [TARGET…]: builds everything, or these targets.
agentbus_build ()
{
  agentbus_dir=$1
  shift

  echo "agentbus: building in $agentbus_dir"
  agentbus_quietly ninja --quiet -C "$agentbus_dir" "$@" || agentbus_fail "cannot build in $agentbus_dir"
}

# agentbus_count STATUS REPORT…: counts the cases within the test programs, which meson test ended with that status.
agentbus_count ()
{
  agentbus_status=$1
  shift

  awk -v RS='<' -v status="$agentbus_status" '
    function attribute (name) {
      return match ($0, " " name "=\"[0-9]+\"") ? substr ($0, RSTART + length (name) + 3) + 0 : 0
    }
    /^testsuite / {
      tests += attribute("tests")
      failed += attribute("failures") + attribute("errors")
      skipped += attribute("skipped")
    }
    END {
      # A program that dies may leave no failed case behind.
      if (status != 0 && failed == 0)
        failed = 1
      passed = tests - failed - skipped
      if (passed < 0)
        passed = 0
      if (skipped > 0)
        printf "%d skipped\n", skipped
      printf "%d passed, %d failed\n", passed, failed
    }
  ' "$@"
}

# agentbus_test DIR [OPTION…]: meson test with these options, and then says how many passed and failed.
agentbus_test ()
{
  agentbus_dir=$1
  shift

  # An old report must not stand for a run that never came to write one.
  rm -f "$agentbus_dir"/meson-logs/testlog*.junit.xml

  agentbus_result=0
  meson test -C "$agentbus_dir" --no-rebuild --print-errorlogs "$@" || agentbus_result=$?

  set -- "$agentbus_dir"/meson-logs/testlog*.junit.xml
  [ -f "$1" ] || agentbus_fail "the tests did not run"

  agentbus_count "$agentbus_result" "$@"
  return "$agentbus_result"
}
