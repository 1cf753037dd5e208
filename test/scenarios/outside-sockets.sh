#!/bin/sh
# A container whose network is nothing but its own loopback device is served from outside: a relay of the host
# listens on sockets of the container's network namespace, and connects to a service of the host's.
#
#     outside-sockets.sh
#
# Both are programs for socket activation (LISTEN_FDS), which know nothing of namespaces. Works as root, and as
# an ordinary user.
set -eu
export CTRTOOL="${CTRTOOL:-ctrtool}" service relay start

# A service of the host. Its socket is descriptor 3.
service='
import os, socket
assert int(os.environ["LISTEN_PID"]) == os.getpid() and os.environ["LISTEN_FDS"] == "1"
listener = socket.socket(fileno=3)
for count in range(2):
    peer = listener.accept()[0]
    peer.sendall(b"the service of the host got " + peer.recv(100))
    peer.close()
'

# Whatever comes in on one of its sockets goes to the service and back.
relay='
import os, select, socket
names = os.environ["LISTEN_FDNAMES"].split(":")
assert int(os.environ["LISTEN_PID"]) == os.getpid() and int(os.environ["LISTEN_FDS"]) == len(names)
listeners = {socket.socket(fileno=3 + place): name for place, name in enumerate(names)}
for count in range(2):
    listener = select.select(list(listeners), [], [])[0][0]
    inside = listener.accept()[0]
    outside = socket.create_connection(("127.0.0.1", 8080))
    outside.sendall(inside.recv(100) + b" by way of " + listeners[listener].encode())
    outside.shutdown(socket.SHUT_WR)
    while data := outside.recv(100):
        inside.sendall(data)
    inside.close()
'

# Run with the sockets, which listen by then; the relay need not have started for somebody to connect.
start='
  "$CTRTOOL" set_fds --listen --names tcp,unix \
    --fds-from-env :CTRTOOL_NS_OPEN_FILE_FD_0,:CTRTOOL_NS_OPEN_FILE_FD_1 python3 -c "$relay" &
'

# Run while the container waits; $2 is an open descriptor of its directory in /proc, which no later process of
# the same number can be taken for. The loopback device is still down, hence the flag f.
prepare='
  net=/proc/self/fd/$2/ns/net
  exec "$CTRTOOL" ns_open_file \
    -n -N "$net" -U -6 ::1,80,af -l 0 \
    -n -N "$net" -U -P @relay -l 0 \
    sh -c "$start"
'

program='
ip link set lo up
echo "devices:$(ip -o link | cut -d : -f 2 | tr -d "\n")"
python3 -c "
import socket
for family, address in ((socket.AF_INET6, (\"::1\", 80)), (socket.AF_UNIX, chr(0) + \"relay\")):
    server = socket.socket(family)
    server.connect(address)
    server.sendall(b\"hello\")
    print(server.recv(200).decode())
"
echo "processes:" /proc/[0-9]*
'

"$CTRTOOL" ns_open_file -n -4 127.0.0.1,8080,a -l 0 \
  sh -c '"$CTRTOOL" set_fds --listen --fds-from-env :CTRTOOL_NS_OPEN_FILE_FD_0 python3 -c "$service" &'

"$CTRTOOL" launcher -Uimnpuwg --uid-map="0.$(id -u).1" --gid-map="0.$(id -g).1" --disable-setgroups \
  -t -d -x "$prepare" sh -c "$program"
