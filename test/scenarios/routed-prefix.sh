#!/bin/sh
# A prefix is routed into a container, which makes all of it local: every address in it is the container's, seen
# from everywhere as it is. No translation, no bridge, no firewall rule.
#
#     routed-prefix.sh DEVICE PREFIX
#
# PREFIX is an IPv6 prefix without its length, 2001:db8:1:2 for instance; DEVICE names the host's end of the pair
# of network devices. For root; the host has the address 2001:db8:ffff::1.
set -eu
export CTRTOOL="${CTRTOOL:-ctrtool}" device="$1" prefix="$2"

hook='
  set -e
  ip link add "$device" type veth peer name eth0 netns "/proc/self/fd/$2/ns/net"
  ip address add fe80::1/64 dev "$device" nodad
  ip link set "$device" up
  ip route add "$prefix::/64" via fe80::2 dev "$device"
'

# The container's part: it has a user namespace of its own, and so all rights in its network namespace.
program='
  set -e
  ip link set lo up
  ip address add fe80::2/64 dev eth0 nodad
  ip link set eth0 up
  ip route add default via fe80::1 dev eth0
  ip -6 route add local "$prefix::/64" dev lo
  exec "$CTRTOOL" ns_open_file -n -6 ::,80,a -l 0 python3 -c "
import os, socket
listener = socket.socket(fileno=int(os.environ[\"CTRTOOL_NS_OPEN_FILE_FD_0\"]))
for count in range(4):
    peer, address = listener.accept()
    own = peer.getsockname()[0].split(\"%\")[0]
    peer.sendall((\"you are %s, I am %s\" % (address[0].split(\"%\")[0], own)).encode())
    peer.close()
"
'

client='
import socket, sys, time
for address in sys.argv[1:]:
    where = socket.getaddrinfo(address, 80, type=socket.SOCK_STREAM)[0]
    for attempt in range(100):
        peer = socket.socket(*where[:3])
        peer.settimeout(5)
        try:
            peer.connect(where[4])
            print(peer.recv(200).decode(), flush=True)
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
        except OSError as problem:
            print("%s: %s" % (address, problem.strerror), flush=True)
            break
'

ip address add 2001:db8:ffff::1/128 dev lo
"$CTRTOOL" launcher -Uimnpuw --uid-map=0.100000.65536 --gid-map=0.100000.65536 -t -d -x "$hook" \
  sh -c "$program" &

for try in $(seq 200); do
  ip -6 route get "$prefix::1" 2>/dev/null | grep -q "dev $device" && break
  sleep 0.05
done
python3 -c "$client" "$prefix::1" "$prefix:8000:dead:beef:1" "$prefix:ffff:ffff:ffff:ffff" "fe80::2%$device" 2001:db8:9::1
wait
ip address del 2001:db8:ffff::1/128 dev lo
