#!/bin/sh
# Two containers side by side, from one read-only tree that holds a root file system for each.
#
#     two-roots.sh TREE STATE
#
# TREE is a mounted squashfs with the directories red and blue, STATE a directory for what they write. Each has
# a tmpfs as its root: /_fsroot_ro is its part of TREE, /_fsroot_rw its part of STATE, and links lead there.
# Works as root, and as an ordinary user.
set -eu
export CTRTOOL="${CTRTOOL:-ctrtool}" tree state name
tree=$(realpath "$1") state=$(realpath "$2")

if [ "$(id -u)" = 0 ]; then
  user='' enter=imn
else
  user="-U -g --uid-map=0.$(id -u).1 --gid-map=0.$(id -g).1 --disable-setgroups" enter=Uimn
fi
export enter

# Run while the first process of the container waits; $2 is an open descriptor of its directory in /proc.
prepare='
  set -e
  inside() { "$CTRTOOL" launcher -fi -gN --old-nsenter="$enter//proc/self/fd/$process" "$CTRTOOL" "$@"; }
  process=$2
  inside rootfs-mount -o root_link_opts=usr_ro -o root_symlink_usr=1 /proc/driver
  inside mount_seq -c /proc/driver \
    -m _fsroot_ro -E -s "$tree/$name" -Obvsdo -r \
    -m _fsroot_rw -E -s "$state/$name" -Ob
'

# Stays until it is told to end, so that both are there at the same time.
program='
  name=$1 other=$2
  echo "$name: uid $(id -u), pid $$, host name $(hostname)"
  echo "$name: processes" /proc/[0-9]*
  echo "$name: the tree says $(cat /usr/name), the state says $(cat /etc/name)"
  touch /usr/x 2>&1 && echo "$name: /usr is writable"
  echo "was here" >/var/sign
  ls /_fsroot_ro /_fsroot_rw /usr/bin | grep -x "$other"
  for try in $(seq 200); do [ -e /var/end ] && break; sleep 0.05; done
  echo "$name: ends"
'

for name in red blue; do
  mkdir -p "$state/$name/etc" "$state/$name/var"
  echo "I am $name" >"$state/$name/etc/name"
  [ $name = red ] && other=blue || other=red
  # shellcheck disable=SC2086
  "$CTRTOOL" launcher -VsimnpuwH $name $user -tr/proc/driver -d -x "$prepare" \
    /bin/sh -c "$program" - $name $other >"$state/$name.log" 2>&1 &
done

for try in $(seq 200); do
  [ -e "$state/red/var/sign" ] && [ -e "$state/blue/var/sign" ] && break
  sleep 0.05
done
touch "$state/red/var/end" "$state/blue/var/end"
wait
cat "$state/red.log" "$state/blue.log"
