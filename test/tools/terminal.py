"""
Runs a command on a terminal as a user's terminal emulator does, and reports what happened.

    terminal.py '{"command": [...], "rows": 24, "columns": 80, "steps": [...]}'

Steps, each a list: ["expect", TEXT] waits for output after what was expected before; ["send", TEXT];
["resize", ROWS, COLUMNS]; ["signal", NUMBER] to the command; ["modes", NAME] notes the terminal's modes;
["stopped"] waits until the command has stopped; ["hangup"] takes the terminal away; ["sleep", SECONDS].
Then the command's end is awaited. Prints JSON: output, status (128 + n after signal n), modes by name with
"before" and "after", nonblocking (whether O_NONBLOCK was set on the shared open file, by name), problem.
"""
import fcntl, json, os, select, signal, struct, sys, termios, time

request = json.loads(sys.argv[1])
limit = time.monotonic() + request.get("seconds", 20)
master, slave = os.openpty()


def resize(rows, columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


resize(request.get("rows", 24), request.get("columns", 80))
for index, character in request.get("characters", {}).items():
    changed = termios.tcgetattr(slave)
    changed[6][int(index)] = bytes([character])
    termios.tcsetattr(slave, termios.TCSANOW, changed)
result = {"modes": {}, "nonblocking": {}, "problem": None}
seen, position, status = b"", 0, None


def note(name):
    try:
        modes = termios.tcgetattr(slave)
        result["modes"][name] = [*modes[:6], b"".join(c if isinstance(c, bytes) else bytes([c]) for c in modes[6]).hex()]
    except termios.error:
        result["modes"][name] = None
    result["nonblocking"][name] = bool(fcntl.fcntl(slave, fcntl.F_GETFL) & os.O_NONBLOCK)


def pump(seconds):
    global seen, master
    if master is None:
        return time.sleep(seconds)
    if select.select([master], [], [], seconds)[0]:
        try:
            seen += os.read(master, 65536)
        except OSError:
            time.sleep(seconds)


def check():
    if time.monotonic() > limit:
        raise TimeoutError


note("before")
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        os.dup2(slave, fd)
    os.closerange(3, 256)
    os.execvp(request["command"][0], request["command"])

what = None
try:
    for what in request["steps"]:
        name, arguments = what[0], what[1:]
        if name == "expect":
            text = arguments[0].encode("latin1")
            while (found := seen.find(text, position)) < 0:
                check()
                pump(0.05)
            position = found + len(text)
        elif name == "send":
            os.write(master, arguments[0].encode("latin1"))
        elif name == "resize":
            resize(*arguments)
        elif name == "signal":
            os.kill(pid, arguments[0])
        elif name == "modes":
            note(arguments[0])
        elif name == "sleep":
            end = time.monotonic() + arguments[0]
            while time.monotonic() < end:
                pump(0.02)
        elif name == "stopped":
            while not os.waitpid(pid, os.WUNTRACED | os.WNOHANG)[0]:
                check()
                pump(0.02)
        elif name == "hangup":
            os.close(slave)
            os.close(master)
            master = None
        else:
            raise ValueError(name)
    what = ["end"]
    while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
        check()
        pump(0.02)
    code = ended[1]
    result["status"] = 128 + os.WTERMSIG(code) if os.WIFSIGNALED(code) else os.WEXITSTATUS(code)
except (TimeoutError, OSError) as problem:
    result["problem"] = f"{what}: {problem!r}"
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass
    result["status"] = -1
if master is not None:
    for _ in range(3):
        pump(0.05)
    note("after")
result["output"] = seen.decode("latin1")
print(json.dumps(result))
