#!/bin/sh
# A container in a container in a container, made by an ordinary user, each by the same script.
#
#     nested.sh TREE LEVELS
#
# TREE is a directory with a root file system. Each container has a tmpfs as its root, with TREE read-only in it
# as /_fsroot_ro, a copy of ctrtool and this script; it starts the next one with its own /_fsroot_ro as TREE.
# The innermost one ends with status 42, which is what all of them end with.
set -eu
export CTRTOOL="${CTRTOOL:-ctrtool}" tree script
tree=$(realpath "$1") script=$(realpath "$0")

# Run while the first process of the container waits; $2 is an open descriptor of its directory in /proc.
prepare='
  set -e
  inside() { "$CTRTOOL" launcher -fi -gN --old-nsenter="Uimn//proc/self/fd/$process" "$CTRTOOL" "$@"; }
  process=$2
  inside rootfs-mount -o root_link_opts=usr_ro_tmp -o root_symlink_usr=1 /proc/driver
  inside mount_seq -c /proc/driver \
    -m _fsroot_ro -E -s "$tree" -Obvsdo -r \
    -m ctrtool -f -s "$CTRTOOL" -Obo -r \
    -m nested.sh -f -s "$script" -Obo -r
'

program='
  echo "uid $(id -u), pid $$, host name $(hostname), uid 0 is $(tr -s " " </proc/self/uid_map)"
  if (echo x >/usr/name) 2>/dev/null; then echo "the tree is writable"; exit 1; fi
  [ "$1" = 1 ] && exit 42
  CTRTOOL=/ctrtool exec /nested.sh /_fsroot_ro $(($1 - 1))
'

"$CTRTOOL" launcher -UVimnpuwg --hostname="level$2" --disable-setgroups \
  --uid-map="0.$(id -u).1" --gid-map="0.$(id -g).1" -tr/proc/driver -d -x "$prepare" \
  /bin/sh -c "$program" - "$2"
