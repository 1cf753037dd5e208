/** cmd: arguments from a file, and from nowhere else to be seen. */
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { binary, build, ctrtool, inDirectory, script } from "../support/ctrtool.ts";

function withFile<Result>(content: string, use: (file: string) => Result): Result {
  return inDirectory((directory) => {
    const file = join(directory, "words");
    writeFileSync(file, content, { encoding: "latin1", mode: 0o600 });
    return use(file);
  });
}

/** Prints its arguments, the file's: printf takes them all. */
const lines = (words: string): string => `printf\n<%s>\n${words}`;

describe("cmd", () => {
  test("an argument a line, before the applet's others", () => {
    withFile(lines("a\n b c \n\n\xff\\n\nlast"), (file) => {
      expect(ctrtool(["cmd", file, "env", "more"]).stdout).toBe("<a>< b c ><><\xff\\n><last><more>");
    });
  });
  test("-0 and -e", () => {
    withFile("printf\0<%s>\0a\nb\0c\0", (file) => {
      expect(ctrtool(["cmd", "-0", file, "env"]).stdout).toBe("<a\nb><c>");
    });
    withFile(lines("a\\nb\n\\x41\\\\\n"), (file) => {
      expect(ctrtool(["cmd", "-e", file, "env"]).stdout).toBe("<a\nb><A\\>");
    });
  });
  test("the applet may be in the file too", () => {
    withFile("env\n-i\nA=1\n", (file) => expect(ctrtool(["cmd", file]).stdout).toBe("A=1\n"));
  });
  test("from descriptors, in each form", () => {
    withFile("env\n-i\nA=1\n", (file) => {
      expect(script(`ctrtool cmd -f 9 9<${file}`).stdout).toBe("A=1\n");
    });
    withFile("sh\n-c\necho $FD; ls /proc/self/fd\n", (file) => {
      expect(script(`FD=9 ctrtool cmd -f /FD env 9<${file}`).stdout).toBe("9\n0\n1\n2\n3\n9\n");
      expect(script(`FD=9 ctrtool cmd -f :FD env 9<${file}`).stdout).toBe("\n0\n1\n2\n3\n");
    });
  });
  test("what is wrong is said, and nothing is executed", () => {
    expect(ctrtool(["cmd", "/nonexistent", "env", "echo"])).toEqual({
      status: 125,
      stdout: "",
      stderr: "ctrtool cmd: openat: /nonexistent: ENOENT (No such file or directory)\n",
    });
    expect(ctrtool(["cmd", "/", "env"]).stderr).toBe("ctrtool cmd: read: /: EISDIR (Is a directory)\n");
    expect(ctrtool(["cmd", "-f", "9", "env"]).stderr).toBe(
      "ctrtool cmd: read: descriptor 9: EBADF (Bad file descriptor)\n",
    );
    withFile("", (file) => expect(ctrtool(["cmd", file])).toMatchObject({ status: 125, stdout: "" }));
    withFile("nosuchapplet\n", (file) =>
      expect(ctrtool(["cmd", file])).toMatchObject({ status: 125, stdout: "" }),
    );
    withFile("a\\q\n", (file) =>
      expect(ctrtool(["cmd", "-e", file, "env"])).toMatchObject({ status: 125, stdout: "" }),
    );
    withFile("a\0b\n", (file) =>
      expect(ctrtool(["cmd", file, "env"])).toMatchObject({ status: 125, stdout: "" }),
    );
  });
  test("a secret shows in no command line while it is used, and in the target's environment only", async () => {
    build();
    await withSecret(async (file, secret) => {
      const target = Bun.spawn([binary, "cmd", file, "env", "sh", "-c", "echo started; read line"], {
        stdin: "pipe",
        stdout: "pipe",
      });
      const scan = `for file in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <"$file" 2>/dev/null | grep -l ${secret.slice(0, 6)}[${secret[6]}] >/dev/null && echo "$file"; done; true`;
      const found: string[] = [];
      const reader = target.stdout.getReader();
      const started = reader.read();
      for (let round = 0; round < 3; round++) found.push(Bun.spawnSync(["sh", "-c", scan]).stdout.toString());
      await started;
      const environment = await Bun.file(`/proc/${target.pid}/environ`).text();
      target.stdin.write("\n");
      await target.stdin.end();
      await target.exited;
      expect(found.join("")).toBe("");
      expect(environment.split("\0")).toContain(`SECRET=${secret}`);
    });
  });
});

/** A file that assigns a secret, gone afterwards. */
async function withSecret(use: (file: string, secret: string) => Promise<void>): Promise<void> {
  const { mkdtempSync, rmSync } = await import("node:fs");
  const directory = mkdtempSync("/tmp/ctrtool-");
  const secret = `s3cr3t${Math.floor(Math.random() * 1e12)}`;
  try {
    writeFileSync(join(directory, "words"), `SECRET=${secret}\n`, { mode: 0o600 });
    await use(join(directory, "words"), secret);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
