#!/bin/sh
# A hook prepares a container from outside, while its first process waits: a network, a mount and a cgroup.
#
#     hook.sh NAME CGROUP [STATUS]
#
# CGROUP is a cgroup2 directory. If STATUS is given, the hook fails with it at its very end: the container never
# starts, and this script ends with the same status. For root.
set -eu
export CTRTOOL="${CTRTOOL:-ctrtool}" name="$1" cgroup status="${3:-0}"
cgroup=$(realpath "$2")/$1

hook='
  set -e
  ns=/proc/self/fd/$2/ns
  # A pair of network devices, one end of which is made in the container.
  ip link add "$name" type veth peer name eth0 netns "$ns/net"
  ip address add 192.0.2.1/30 dev "$name"
  ip link set "$name" up
  nsenter --net="$ns/net" sh -c "ip address add 192.0.2.2/30 dev eth0; ip link set eth0 up"
  # A mount that only the container has.
  "$CTRTOOL" launcher -fi --old-nsenter="m//proc/self/fd/$2" \
    "$CTRTOOL" mount_seq -m /mnt -t tmpfs -Osdx -w /mnt/note --content "left by the hook" -M 0644
  # A cgroup, whose root is what the container sees of it.
  mkdir "$cgroup"
  echo "$1" >"$cgroup/cgroup.procs"
  exit "$status"
'

program='
  echo "note: $(cat /mnt/note)"
  echo "cgroup: $(grep ^0: /proc/self/cgroup)"
  echo "address: $(ip -o -4 address show dev eth0 | tr -s " " | cut -d " " -f 4)"
  busybox ping -c 1 -W 5 192.0.2.1 >/dev/null && echo "the host answers"
'

trap 'if [ -e "$cgroup" ]; then rmdir "$cgroup"; fi' EXIT
"$CTRTOOL" launcher -Cimnpuw -t -d -x "$hook" sh -c "$program"
