/**
 * The aarch64 executable as the only file of an ARM machine: emulated by qemu-system-aarch64, with Debian's
 * cloud kernel. What else is in its root file system, the kernel makes itself: /dev/console.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executableFor } from "../support/ctrtool.ts";

const root = join(import.meta.dir, "..", "..");
const bootMs = 120_000;
setDefaultTimeout(2 * bootMs);

let directory = "";
let kernel = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ctrtool-machine-"));
  kernel = run([join(root, "scripts", "lib", "arm-kernel")]).trim();
});
afterAll(() => rmSync(directory, { recursive: true }));

function run(command: readonly string[], options: { cwd?: string; stdin?: Uint8Array } = {}): string {
  const { success, stdout, stderr } = Bun.spawnSync([...command], options);
  if (!success) throw new Error(`${command.join(" ")}:\n${stderr}${stdout}`);
  return stdout.toString();
}

/** Builds the executable with the self-test; its path. */
function buildSelfTest(): string {
  const entry = join(import.meta.dir, "main.ts");
  const options = ["--arch", "aarch64", "--entry", entry, "--out", directory];
  run([process.execPath, join(root, "scripts", "build-arches.ts"), ...options]);
  return join(directory, "ctrtool-aarch64");
}

interface Booted {
  /** What came from the serial console, a line each. */
  readonly lines: readonly string[];
  readonly ms: number;
}

/** Boots a machine whose only file is `executable`, under this name. It is over when the machine is off. */
function boot(executable: string, name: string, parameters: string): Booted {
  const content = mkdtempSync(join(directory, "initramfs-"));
  copyFileSync(executable, join(content, name));
  const initramfs = join(directory, "initramfs.cpio");
  run(["sh", "-c", `echo ${name} | cpio --quiet --create --format=newc --owner=+0:+0 > ${initramfs}`], {
    cwd: content,
  });
  const machine = [
    "-M",
    "virt",
    "-cpu",
    "cortex-a57",
    "-m",
    "512",
    "-nic",
    "none",
    "-nographic",
    "-no-reboot",
  ];
  const console = `console=ttyAMA0 quiet panic=-1 ${parameters}`;
  const files = ["-kernel", kernel, "-initrd", initramfs, "-append", console];
  const started = performance.now();
  const { exitCode, stdout, stderr } = Bun.spawnSync(["qemu-system-aarch64", ...machine, ...files], {
    stdin: "ignore",
    timeout: bootMs,
  });
  const ms = performance.now() - started;
  if (exitCode !== 0) throw new Error(`qemu ends with ${exitCode} after ${ms} ms:\n${stderr}${stdout}`);
  return { lines: stdout.toString("latin1").split(/\r?\n/), ms };
}

test("a self-test as pid 1 makes a root, starts a container in it and one in that, and powers off", () => {
  const { lines, ms } = boot(buildSelfTest(), "init", "");
  const said = lines.filter((line) => line !== "" && !line.startsWith("["));
  expect(said).toEqual([
    "self-test: pid 1 of the machine",
    "inside: pid 1, parent 0, uid 0",
    "inside: host arm-box",
    expect.stringMatching(/^ctrtool \d+\.\d+\.\d+$/),
    expect.stringMatching(/^ctrtool renameat2: .*ENOENT/),
    "self-test: passed",
  ]);
  expect(lines.filter((line) => line.includes("Kernel panic"))).toEqual([]);
  expect(lines.some((line) => line.endsWith("reboot: Power down"))).toBe(true);
  expect(ms).toBeLessThan(bootMs);
});

test("the executable as it is shipped, as pid 1, starts a container by the kernel's command line", () => {
  const inner = "/ctrtool launcher -w -P/dev/console /ctrtool --version";
  const words = `launcher -Cimnpuw -Hbox ${inner}`;
  const { lines } = boot(executableFor("aarch64"), "ctrtool", `rdinit=/ctrtool -- ${words}`);
  // The first process of a container that has no other is number 1, the second one 2.
  expect(lines.filter((line) => line !== "" && !line.startsWith("["))).toEqual([
    expect.stringMatching(/^2ctrtool \d+\.\d+\.\d+$/),
  ]);
  // Nobody is left to power off: the kernel ends the machine, having noted the status.
  expect(lines.some((line) => line.includes("Attempted to kill init! exitcode=0x00000000"))).toBe(true);
});
