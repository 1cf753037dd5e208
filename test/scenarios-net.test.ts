/** Containers and networks, from scripts that a user could have written (test/scenarios). */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary, build, type Ran, run } from "./support/ctrtool.ts";

setDefaultTimeout(60_000);

const scripts = join(import.meta.dir, "scenarios");
let directory = "";

beforeAll(() => {
  build();
  directory = mkdtempSync(join(tmpdir(), "ctrtool-scenarios-net-"));
  chmodSync(directory, 0o755);
  for (const name of ["routed-prefix.sh", "outside-sockets.sh"])
    copyFileSync(join(scripts, name), join(directory, name));
  copyFileSync(binary, join(directory, "ctrtool"));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** A host with a network of its own; what is different afterwards is printed. */
const host = `
  cd "$DIRECTORY"
  export CTRTOOL=$PWD/ctrtool
  ip link set lo up
  look() { ip -o link | cut -d : -f 2; ip -6 route show table all; set -- /proc/[0-9]*; echo "$# processes"; cat /proc/self/mountinfo; }
  before=$(look)
  $AS timeout 40 "$@"
  status=$?
  for try in 1 2 3 4 5 6 7 8 9 10; do
    after=$(look)
    [ "$before" = "$after" ] && break
    sleep 0.2
  done
  diff <(echo "$before") <(echo "$after") | sed 's/^/left: /'
  exit $status
`;

function scenario(as: string, name: string, ...words: string[]): Ran {
  const namespaces = ["--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc"];
  const command = ["unshare", ...namespaces, "bash", "-c", host, "bash", join(directory, name), ...words];
  return run(command, { env: { DIRECTORY: directory, AS: as } });
}

test("a prefix is routed into a container, without translation; its link-local address is reached as well", () => {
  const prefix = "2001:db8:1:2";
  const reached = (address: string) => `you are 2001:db8:ffff::1, I am ${address}\n`;
  expect(scenario("", "routed-prefix.sh", "scenario6", prefix)).toEqual({
    status: 0,
    stdout: [
      reached(`${prefix}::1`),
      reached(`${prefix}:8000:dead:beef:1`),
      reached(`${prefix}:ffff:ffff:ffff:ffff`),
      "you are fe80::1, I am fe80::2\n",
      "2001:db8:9::1: Network is unreachable\n",
    ].join(""),
    stderr: "",
  });
});

test.each([
  ["root", ""],
  ["an ordinary user", "setpriv --reuid=1000 --regid=1000 --clear-groups"],
])("as %s: a container is served from outside, on sockets of its own network namespace", (_, as) => {
  expect(scenario(as, "outside-sockets.sh")).toEqual({
    status: 0,
    stdout: [
      "devices: lo\n",
      "the service of the host got hello by way of tcp\n",
      "the service of the host got hello by way of unix\n",
      "processes: /proc/1\n",
    ].join(""),
    stderr: "",
  });
});
