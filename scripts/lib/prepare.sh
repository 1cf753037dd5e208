# What scripts/demo and scripts/test share: finding out what is missing, and installing it. To be sourced by
# bash in the top directory. Nothing is looked up on the network if nothing is missing.

say() { printf '%s\n' "$*"; }

machine=$(uname -m)
case $machine in
x86_64) other=arm64-cross other_triplet=aarch64-linux-gnu ;;
aarch64) other=amd64-cross other_triplet=x86-64-linux-gnu ;;
*)
  say "ctrtool is for x86_64 and aarch64, and this is $machine" >&2
  exit 1
  ;;
esac

# For the static link step, of both architectures.
build_packages="gcc libc6-dev binutils gcc-$other_triplet libc6-dev-$other binutils-$other_triplet"
# In addition, for the tests: other people's readers of what we make, and machines to run it on.
test_packages="qemu-user-static qemu-system-arm squashfs-tools busybox-static strace file uidmap util-linux
  iproute2 procps cpio python3"

# Those of the named Debian packages that are not installed.
missing_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s ' "$package"
  done
}

# Installs Debian packages that are missing, if that is possible; otherwise says so in one line and goes on:
# what needs them says which one, too.
need_packages() {
  local missing log
  if ! command -v dpkg-query >/dev/null; then
    say "not a Debian system: it is not checked whether the equivalents of these are there: $*"
    return
  fi
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    say "not root, so these Debian packages stay missing: $missing"
    return
  fi
  say "installing Debian packages: $missing"
  log=$(mktemp)
  # A list that cannot be fetched need not be the one that matters.
  apt-get -q update >"$log" 2>&1 || true
  # shellcheck disable=SC2086
  if ! DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $missing >>"$log" 2>&1; then
    missing=$(missing_packages "$@")
    say "could not install: $missing(see $log)"
    return
  fi
  rm -f "$log"
}

# What package-lock.json says, Bun among it, in node_modules.
need_modules() {
  local stamp=node_modules/.package-lock.json
  if [ ! -e "$stamp" ] || [ package-lock.json -nt "$stamp" ]; then
    if ! command -v npm >/dev/null; then
      say "npm is missing: install Node.js and npm" >&2
      exit 1
    fi
    say "installing npm packages"
    # Not `npm ci`: a registry that lacks a tool for some other machine makes the lock file incomplete for it.
    npm install --no-save --no-audit --no-fund --loglevel=error
  fi
  # npm may have been told not to run the script that puts Bun's executable in its place.
  node_modules/.bin/bun --version >/dev/null 2>&1 || node node_modules/bun/install.js
}

bun() { node_modules/.bin/bun "$@"; }

# Both executables in dist, made anew if a source is newer.
build() {
  local file
  for file in dist/ctrtool-x86_64 dist/ctrtool-aarch64; do
    if [ ! -e $file ] || [ -n "$(find package.json package-lock.json src scripts -newer $file -type f -print -quit)" ]; then
      bun scripts/build-arches.ts
      return
    fi
  done
  say "dist/ctrtool-x86_64 and dist/ctrtool-aarch64 are up to date"
}
