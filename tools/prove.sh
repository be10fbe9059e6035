#!/usr/bin/env bash
# Do what the README says on a machine that has nothing but Python: `./dev prove` runs this.
#
# debootstrap makes a bare Debian in a temporary folder; the committed checkout goes into it, and
# the commands of the README's block marked `<!-- prove -->` run there exactly as they stand, with
# an empty environment. Only how this machine reaches the package indexes is carried over, read
# from the machine when this runs. Mounts and processes live in namespaces of their own, so that
# nothing is left of them whatever happens.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly SUITE=bookworm
readonly BARE_PACKAGES=python3,python3-venv,ca-certificates
readonly CERTIFICATES=etc/ssl/certs/ca-certificates.crt
# Settings of proxies, of index addresses and of time limits; certificates are handled below.
readonly CARRIED='^(https?_proxy|all_proxy|no_proxy|pip_(index_url|default_timeout)|uv_(default_index|index_url|http_timeout)|npm_config_registry)$'

main() {
  need_root
  need_debootstrap
  commands=$(readme_commands)
  [[ -n $commands ]] || fail "README.md has no commands in a block after <!-- prove -->"
  if ! git diff --quiet HEAD; then
    say "WARNING: proving the last commit; what is not committed is left out"
  fi
  root=$(mktemp -d)
  chmod 755 "$root"
  trap 'rm -rf --one-file-system "$root" "$root.log"' EXIT
  make_machine
  install_checkout
  run_commands
}

need_root() {
  if [[ $(id -u) -ne 0 ]]; then skip "it needs root"; fi
}

need_debootstrap() {
  if command -v debootstrap >/dev/null; then return; fi
  if ! command -v apt-get >/dev/null; then skip "there is no debootstrap here"; fi
  say "installing debootstrap"
  export DEBIAN_FRONTEND=noninteractive
  if ! { apt-get update -qq && apt-get install -y -qq debootstrap; } >/dev/null </dev/null; then
    skip "debootstrap could not be installed"
  fi
}

make_machine() {
  say "making a bare Debian $SUITE with $BARE_PACKAGES"
  if ! debootstrap --variant=minbase --include="$BARE_PACKAGES" "$SUITE" "$root" \
    >"$root.log" 2>&1 </dev/null; then
    tail -n 20 "$root.log" >&2
    fail "debootstrap failed"
  fi
  cp /etc/resolv.conf /etc/hosts "$root/etc/"
  cp "${SSL_CERT_FILE:-/$CERTIFICATES}" "$root/$CERTIFICATES"
}

install_checkout() {
  mkdir "$root/root/holdfast"
  git archive HEAD | tar -x -C "$root/root/holdfast"
}

# The README's lines, run one by one: the first that fails ends the proof.
run_commands() {
  say "running in it: ${commands//$'\n'/; }"
  printf '%s\n' 'set -eux' "cd /root/holdfast" "$commands" >"$root/root/prove"
  # shellcheck disable=SC2016 # $1 and $@ belong to the inner shell
  carried | xargs -0 unshare --mount --pid --fork --kill-child bash -c '
    set -eu; root=$1; shift
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    exec chroot "$root" env -i "$@" sh /root/prove </dev/null
  ' prove "$root" || fail "a command of the README did not succeed on a bare Debian $SUITE"
  say "the README holds on a bare Debian $SUITE"
}

# Print the environment of the proof, NUL-separated: a login's, and the way to the package indexes.
carried() {
  local name
  printf '%s\0' HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  for name in PIP_CERT SSL_CERT_FILE NODE_EXTRA_CA_CERTS; do
    printf '%s\0' "$name=/$CERTIFICATES"
  done
  if [[ -n ${CI:-} ]]; then printf '%s\0' "CI=$CI"; fi
  while IFS= read -r name; do
    if grep -qiE "$CARRIED" <<<"$name"; then printf '%s\0' "$name=${!name}"; fi
  done < <(compgen -e)
  configured PIP_INDEX_URL UV_DEFAULT_INDEX "$(python3 -m pip config get global.index-url 2>/dev/null)"
  configured NPM_CONFIG_REGISTRY NPM_CONFIG_REGISTRY "$(npm config get registry 2>/dev/null)"
}

# Pass an address from a client's own settings on, unless the environment names one already.
configured() {
  local name
  if [[ -z $3 || $3 == undefined || -n ${!1:-} ]]; then return; fi
  for name in "$1" "$2"; do printf '%s\0' "$name=$3"; done
}

readme_commands() {
  awk '/^<!-- prove -->/ { marked = 1; next }
    marked && /^```/ { if (inside) exit; inside = 1; next }
    inside' README.md
}

say() { printf 'prove: %s\n' "$*" >&2; }
fail() { say "FAILED: $*"; exit 1; }
skip() {
  say "SKIPPED, THE README IS NOT PROVEN: $*"
  exit 0
}

main
