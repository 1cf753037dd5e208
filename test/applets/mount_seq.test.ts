import { describe, expect, test } from "bun:test";
import { plan, spec } from "../../src/applets/mount_seq.ts";
import { parse } from "../../src/cli/parse.ts";
import { calls } from "../../src/program/explain.ts";
import type { Given } from "../../src/sys/given.ts";
import {
  binary,
  build,
  ctrtool,
  inDirectory,
  ordinaryGiven,
  run,
  script,
  usageError,
} from "../support/ctrtool.ts";
import { mounting } from "../support/mounts.ts";

function planned(words: readonly string[], given: Given = ordinaryGiven): string[] {
  return calls(plan(parse(spec, words), given).steps);
}

describe("refuses before anything is done", () => {
  test.each([
    [["-e"], "-e comes before any operation"],
    [["-k", "-m", "d"], "-k comes before any operation"],
    [["--ignore-refusal"], "--ignore-refusal comes before any operation"],
    [["-D", "x", "-r"], '-D "x": -r is not for this operation'],
    [["-D", "x", "-s", "y"], '-D "x": -s is not for this operation'],
    [["-u", "x", "-M", "755"], '-u "x": -M is not for this operation'],
    [["-S", "x", "-Oe"], '-S "x": -O is not for this operation'],
    [["-c", "x", "-F0"], '-c "x": -F is not for this operation'],
    [["-l", "x", "-s", "y", "-t", "z"], '-l "x": -t is not for this operation'],
    [["-m", "x", "-t", "tmpfs", "--content", "y"], '-m "x": --content is not for this operation'],
    [["foo"], 'unexpected word "foo"'],
    [["-D", "x", "foo"], 'unexpected word "foo"'],
    [["-m"], "option -m needs a value"],
    [["-m", ""], "-m: the path is empty"],
    [["-z"], "unknown option -z"],
    [["-m", "d"], '-m "d": -t is missing'],
    [["-m", "d", "-t", ""], '-m "d": -t is missing'],
    [["-m", "d", "-Of"], '-m "d": -O: f is no mount flag (known: abcdehlmopqrstuvwxz)'],
    [["-m", "d", "-OB"], '-m "d": -O: B is no mount flag (known: abcdehlmopqrstuvwxz)'],
    [["-m", "d", "-O1"], '-m "d": -O: 1 is no mount flag (known: abcdehlmopqrstuvwxz)'],
    [["-u", "d", "-Ob"], '-u "d": -O: b is no umount flag (known: flnx)'],
    [["-D", "d", "-Of"], '-D "d": -O: f is no mkdir flag (known: e)'],
    [["-m", "d", "-F32"], '-m "d": -F: bit 32 is no mount flag'],
    [["-m", "d", "-F9"], '-m "d": -F: bit 9 is no mount flag'],
    [["-m", "d", "-F64"], '-m "d": -F: "64" is out of range (0 to 63)'],
    [["-m", "d", "-F-1"], '-m "d": -F: "-1" is no mount flag'],
    [["-m", "d", "-F", ""], '-m "d": -F: "" is no mount flag'],
    [["-m", "d", "-F8x"], '-m "d": -F: "8x" is not a number'],
    [["-m", "d", "-Fnosiud"], '-m "d": -F: "nosiud" is no mount flag (did you mean nosuid?)'],
    [["-u", "d", "-F4"], '-u "d": -F: bit 4 is no umount flag'],
    [["-D", "d", "-F1"], '-D "d": -F: bit 1 is no mkdir flag'],
    [["-D", "d", "-M", "9"], '-M: "9" is not an octal number'],
    [["-D", "d", "-M", "0x1ff"], '-M: "0x1ff" is not an octal number'],
    [["-D", "d", "-M", "10000"], '-M: "10000" is out of range (0 to 7777 octal)'],
    [["-l", "x", "-e"], '-l "x": -s is missing'],
    [["-w", "x"], '-w "x": --content or --content-escaped is missing'],
    [["-w", "x", "--content", "a", "--content-escaped", "b"], '-w "x": the content is given twice'],
    [["-w", "x", "--content-escaped", "a\\q"], "--content-escaped: \\q is no escape of C"],
    [["-w", "x", "--content-escaped", "a\\"], "--content-escaped: \\ is no escape of C"],
    [["-w", "x", "--content-escaped", "\\777"], "--content-escaped: \\777 is no escape of C"],
    [["-m", "x", "-t", "tmpfs", "-x"], '-m "x": -x needs -E or -f'],
    [["-m", "x", "-Ohp"], '-m "x": only one of shared, private, slave and unbindable can be asked for'],
    [["-m", "x", "-s", "y", "-Obw"], '-m "x": the flag synchronous has no effect on this kind of mount'],
    [["-m", "x", "-s", "y", "-Omo"], '-m "x": the flag rdonly has no effect on this kind of mount'],
    [["-m", "x", "-Ops"], '-m "x": the flag nosuid has no effect on this kind of mount'],
    [["-m", "x", "-Orbe"], '-m "x": the flag dirsync has no effect on this kind of mount'],
    [["-m", "x", "-s", "y", "-Ob", "-o", "ro"], '-m "x": -o has no effect on this kind of mount'],
    [["-m", "x", "-s", "y", "-Ob", "-t", "tmpfs"], '-m "x": -t has no effect on this kind of mount'],
  ])("%j", (words, message) => expect(usageError(() => planned(words))).toBe(message));

  test("whatever comes before it: status 1, one line, no effect", () =>
    inDirectory((cwd) => {
      const { status, stderr } = ctrtool(["mount_seq", "-D", "made", "-m", "d", "-Ok"], { cwd });
      expect({ status, stderr }).toEqual({
        status: 1,
        stderr: 'ctrtool mount_seq: usage: -m "d": -O: k is no mount flag (known: abcdehlmopqrstuvwxz)\n',
      });
      expect(run(["ls"], { cwd }).stdout).toBe("");
    }));
});

describe("plan", () => {
  const how = "{O_CLOEXEC|O_PATH, RESOLVE_NO_SYMLINKS}, 24";

  test("nothing for an empty line but its status", () => {
    expect(planned([])).toEqual(["when failed != 0:", "exit with status 2"]);
  });

  test("letters, bit numbers, names and long options say the same", () => {
    const short = ["-m", "d", "-s", "s", "-Ob", "-Oos", "-F8", "-r", "-k", "-K", "-e", "-y"];
    const long = ["--mount=d", "--source=s", "--flags=bos", "--flag=MS_NOSYMFOLLOW", "--remount", "--follow"];
    const names = ["--mount=d", "--source=s", "--flag=bind,RO,nosuid,8", "--remount", "--follow"];
    const rest = ["--follow-source", "--ignore-failure", "--sync"];
    expect(planned([...long, ...rest])).toEqual(planned(short));
    expect(planned([...names, ...rest])).toEqual(planned(short));
  });

  test("a bind mount gets its flags before it is attached, on what was opened", () => {
    expect(planned(["-m", "a/d", "-s", "b/s", "-Obo"]).slice(0, 6)).toEqual([
      '-m "a/d":',
      `openat2(AT_FDCWD, "b/s", ${how}) -> source`,
      `openat2(AT_FDCWD, "a/d", ${how}) -> target`,
      'open_tree(source, "", OPEN_TREE_CLONE|AT_EMPTY_PATH|OPEN_TREE_CLOEXEC) -> mount',
      'mount_setattr(mount, "", AT_EMPTY_PATH, {set MOUNT_ATTR_RDONLY}, 32)',
      'move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH)',
    ]);
  });

  test("bind mounts that differ in paths only are one loop, in their order", () => {
    const one = (n: number) => ["-m", `d/${n}`, "-s", `s/${n}`, "-Ob"];
    const lines = planned([
      ...one(1),
      ...one(2),
      "-D",
      "x",
      ...one(3),
      ...one(4),
      ...one(5),
      "-e",
      ...one(6),
    ]);
    const order = lines.filter((line) => /^(-[ mD]|for each)/.test(line));
    expect(order).toEqual([
      "for each of source path, target path:",
      '- "s/1", "d/1"',
      '- "s/2", "d/2"',
      '-D "x":',
      "for each of source path, target path:",
      '- "s/3", "d/3"',
      '- "s/4", "d/4"',
      '-m "d/5":',
      '-m "d/6":',
    ]);
  });

  test("likeness is not fooled by values that look like other options", () => {
    const lines = planned(["-m", "a", "-t", "tmpfs", "-o", "x", "-m", "b", "-t", "tmpfs data 1 x ", "-e"]);
    expect(lines.join("\n")).toContain('fsopen("tmpfs data 1 x "');
  });

  test("SIGCHLD is reset only where children are waited for", () => {
    const given = { ...ordinaryGiven, ignoredSignals: 1n << 16n };
    expect(planned(["-S", "true"], given)[0]).toStartWith("rt_sigaction(SIGCHLD");
    expect(planned(["-D", "x"], given)[0]).toBe('-D "x":');
  });
});

/** A directory d, a file f, and a symlink ld to d. */
const tree = "mkdir d; echo content > f; ln -s d ld\n";

describe.each(["root", "ordinary user"] as const)("as %s", (who) => {
  const expectations: readonly (readonly [name: string, script: string, output: string])[] = [
    [
      "tmpfs",
      "ctrtool mount_seq -m d -t tmpfs -o mode=0700,size=1M -Osdx; echo $?; mounts; stat -c %a d",
      "0\nd rw,nosuid,nodev,noexec\n700\n",
    ],
    [
      "bind",
      "ctrtool mount_seq -m d -s /etc -Obv; echo $?; mounts; [ -e d/passwd ]; echo $?",
      "0\nd rw\n0\n",
    ],
    [
      "bind, with flags although no -r",
      "mkdir s; ctrtool mount_seq -m d -s s -Obo; echo $?; mounts",
      "0\nd ro\n",
    ],
    [
      "bind, with -r",
      "mkdir s; ctrtool mount_seq -m d -s s -Obsdo -r; echo $?; mounts",
      "0\nd ro,nosuid,nodev\n",
    ],
    ["nosymfollow", "mkdir s; ctrtool mount_seq -m d -s s -Ob -F8 -r; mounts", "d rw,nosymfollow\n"],
    [
      "-r takes flags away that the source has",
      "mkdir s e; ctrtool mount_seq -m s -t tmpfs -Oosdx -m d -s s -Obs -r -m e -s s -Obs; mounts",
      "s ro,nosuid,nodev,noexec\nd rw,nosuid\ne ro,nosuid,nodev,noexec\n",
    ],
    [
      "recursive bind, with flags for all, which add to what those below have",
      "mkdir s s/t s/u; ctrtool mount_seq -m s -t tmpfs -D s/t -D s/u -m s/t -t tmpfs -Ox -m s/u -t tmpfs -m d -s s -Obvo -r; mounts | grep ^d",
      "d ro\nd/t ro,noexec\nd/u ro\n",
    ],
    [
      "noatime and the like",
      "mkdir s; ctrtool mount_seq -m d -t tmpfs -Oat -F11 -m s -t tmpfs -m d -s s -Oba -m d -s s -Obt -m d -s s -Obc; mounts",
      "d rw,nodiratime\ns rw\nd rw,noatime\nd rw\nd rw\n",
    ],
    [
      "ro, sync, dirsync of the file system",
      "ctrtool mount_seq -m d -t tmpfs -Oowe; grep \"$PWD/d\" /proc/self/mountinfo | sed 's/.* - //; s/,inode64//; s/,uid=.*//'",
      "tmpfs /dev/null ro,sync,dirsync\n",
    ],
    [
      "the source of a file system is not a path",
      "ctrtool mount_seq -m d -t tmpfs -s no/such; echo $?; grep -c 'tmpfs no/such' /proc/self/mountinfo",
      "0\n1\n",
    ],
    [
      "option with a long value",
      "ctrtool mount_seq -m d -t tmpfs -o \"mode=0700,mpol=$(printf '%0300d' 0)\"; echo $?; mounts",
      "3\n",
    ],
    ["-E", "ctrtool mount_seq -m n -E -t tmpfs -m d -E -t tmpfs; mounts", "n rw\nd rw\n"],
    ["-f", "ctrtool mount_seq -m n -f -s f -Ob; cat n; mounts", "content\nn rw\n"],
    ["-E wins over -f", "ctrtool mount_seq -m n -fE -t tmpfs; mounts", "n rw\n"],
    [
      "-x",
      "ctrtool mount_seq -m d -Ex -t tmpfs; echo $?; ctrtool mount_seq -m f -fx -s f -Ob; echo $?; ctrtool mount_seq -m n -Ex -t tmpfs; echo $?; mounts",
      "3\n3\n0\nn rw\n",
    ],
    [
      "-E leaves mode 0700 less the umask",
      "umask 0277; ctrtool mount_seq -m n -E -s d -Ob; umount n; stat -c %a n; rmdir n",
      "500\n",
    ],
    [
      "-f makes an empty regular file, 0600",
      "ctrtool mount_seq -m n -f -s f -Ob; umount n; stat -c '%F %a' n",
      "regular empty file 600\n",
    ],
    [
      "a link in the place of the target",
      "ctrtool mount_seq -m ld -t tmpfs; echo $?; ctrtool mount_seq -m ld -t tmpfs -e -D z; echo $?; ls; ctrtool mount_seq -m ld -k -t tmpfs; echo $?; mounts",
      "3\n3\nd\nf\nld\n0\nd rw\n",
    ],
    [
      "a link on the way",
      "mkdir d/e; ctrtool mount_seq -m ld/e -t tmpfs; echo $?; ctrtool mount_seq -m ld/n -E -t tmpfs; echo $?; ls d; ctrtool mount_seq -m ld/e -kt tmpfs; echo $?; mounts",
      "3\n3\ne\n0\nd/e rw\n",
    ],
    [
      "a link with -E",
      "ctrtool mount_seq -m ld -E -t tmpfs -e -D z; echo $?; ln -s nowhere dl; ctrtool mount_seq -m dl -E -t tmpfs; echo $?; ls; mounts",
      "3\n3\nd\ndl\nf\nld\n",
    ],
    [
      "a link in the source",
      "mkdir n; ctrtool mount_seq -m n -s ld -Ob; echo $?; ctrtool mount_seq -m n -s ld -Ob -K; echo $?; mounts",
      "3\n0\nn rw\n",
    ],
    [
      "a magic link in the source",
      "ctrtool mount_seq -m f -s /proc/self/ns/net -Ob; echo $?; ctrtool mount_seq -m f -s /proc/self/ns/user -Ob -K; [ f -ef /proc/self/ns/user ]; echo $?",
      "3\n0\n",
    ],
    [
      "--ignore-refusal",
      "ctrtool mount_seq -m ld -t tmpfs --ignore-refusal -D z; echo $?; ls -d z",
      "2\nz\n",
    ],
    [
      "-e",
      "ctrtool mount_seq -m d -t nosuchfs -e -D z; echo $?; ls -d z; ctrtool mount_seq -m d -t nosuchfs -D y; echo $?; ls",
      "2\nz\n3\nd\nf\nld\nz\n",
    ],
    [
      "-e and a missing target, with -k a failure like others",
      "ctrtool mount_seq -m no -t tmpfs -e -D z; echo $?; ctrtool mount_seq -m no -t tmpfs -ek -D z; echo $?",
      "3\n2\n",
    ],
    [
      "-c",
      "ctrtool mount_seq -c d -D x -c x -D y -c .. -c .. -D z; find . -type d | sort",
      ".\n./d\n./d/x\n./d/x/y\n./z\n",
    ],
    [
      "-c with a link, a file",
      "ctrtool mount_seq -c ld -D x; echo $?; ctrtool mount_seq -c ld -k -D x; echo $?; ctrtool mount_seq -c f -e -D y; echo $?; ls -d d/x y",
      "3\n0\n2\nd/x\ny\n",
    ],
    [
      "-D",
      "ctrtool mount_seq -D n1 -M 0755 -D n2 -l n3 -s /some/where -c n1 -D n4; echo $?; stat -c '%n %a' n1 n2 n1/n4; readlink n3",
      "0\nn1 755\nn2 700\nn1/n4 700\n/some/where\n",
    ],
    [
      "-D and the umask",
      "umask 077; ctrtool mount_seq -D a -D b -M 2751; stat -c '%n %a' a b",
      "a 700\nb 2751\n",
    ],
    [
      "-D existing",
      "ctrtool mount_seq -D d; echo $?; ctrtool mount_seq -D d -e; echo $?; ctrtool mount_seq -D d -Oe -M 711; echo $?; stat -c %a d; ctrtool mount_seq -D f -Oe; echo $?; ctrtool mount_seq -D ld -Oe; echo $?; ctrtool mount_seq -D d -F0; echo $?",
      "3\n2\n0\n711\n3\n3\n0\n",
    ],
    [
      "-D with a slash behind",
      "ctrtool mount_seq -D n/; echo $?; ctrtool mount_seq -D n/ -k; echo $?; ctrtool mount_seq -D d/../d; echo $?; ctrtool mount_seq -D d/.//x; echo $?; ls -d n d/x",
      "3\n0\n3\n0\nd/x\nn\n",
    ],
    [
      "-D through a link",
      "ctrtool mount_seq -D ld/x; echo $?; ctrtool mount_seq -D ld/x -kM 750; echo $?; stat -c %a d/x",
      "3\n0\n750\n",
    ],
    [
      "-l existing",
      "ctrtool mount_seq -l f -s x -e; echo $?; ctrtool mount_seq -l ld -s x -e; echo $?; ctrtool mount_seq -l ld -s x -ek; echo $?; readlink ld",
      "2\n3\n2\nd\n",
    ],
    [
      "-u",
      "ctrtool mount_seq -m d -t tmpfs -D d/x -m d/x -t tmpfs -u d/x/ -m f -s f -Ob -u f -u d; echo $?; mounts; ctrtool mount_seq -u d; echo $?; ctrtool mount_seq -u d -e; echo $?",
      "0\n3\n2\n",
    ],
    [
      "-u through a link",
      "ctrtool mount_seq -m d -t tmpfs; ctrtool mount_seq -u ld; echo $?; mounts; ctrtool mount_seq -u ld -k; echo $?; mounts",
      "3\nd rw\n0\n",
    ],
    [
      "-u with flags",
      "ctrtool mount_seq -m d -t tmpfs -c d -u ../d -e -u ../d -Ol; echo $?; mounts; ctrtool mount_seq -m d -t tmpfs -u d -Fdetach; mounts",
      "2\n",
    ],
    [
      "-S",
      "ctrtool mount_seq -D a -S 'ls -d a; echo $0' -S 'exit 5' -D b; echo $?; ls",
      "a\n/bin/sh\n3\na\nd\nf\nld\n",
    ],
    [
      "-S with -e, and by a signal",
      "ctrtool mount_seq -S 'exit 5' -e -S 'kill -9 $$' -e -S 'echo on'; echo $?",
      "on\n2\n",
    ],
    ["-S with SIGCHLD ignored", "trap '' CHLD; ctrtool mount_seq -S true; echo $?", "0\n"],
    ["-S sees -c", "ctrtool mount_seq -c d -S 'basename $PWD'; echo $?", "d\n0\n"],
    [
      "-w",
      "ctrtool mount_seq -w a --content 'x\\n' -w b --content-escaped '\\x41\\102\\tC\\n\\0\\\\' -M 0644 -w c --content ''; stat -c '%n %a %s' a b c; cat a; echo; od -An -c b",
      "a 600 3\nb 644 7\nc 600 0\nx\\n\n   A   B  \\t   C  \\n  \\0   \\\n",
    ],
    [
      "-w existing",
      "ctrtool mount_seq -w f --content x; echo $?; cat f; ln f g; ctrtool mount_seq -w f --content x -Oe; echo $?; cat f; echo; cat g; ctrtool mount_seq -w d --content x -Oe; echo $?; ctrtool mount_seq -w ld --content x -Oe; echo $?; ctrtool mount_seq -w new --content y -Oe; cat new",
      "3\ncontent\n0\nx\ncontent\n3\n3\ny",
    ],
    [
      "-w leaves no half of a file",
      "ctrtool mount_seq -m d -t tmpfs -o size=4k -w d/x --content \"$(head -c 9000 /dev/zero | tr '\\0' x)\"; echo $?; ls d",
      "3\n",
    ],
    [
      "a move",
      "mkdir e; ctrtool mount_seq -m d -t tmpfs -D d/in -m e -s d -Om; echo $?; mounts; ls e",
      "0\ne rw\nin\n",
    ],
    [
      "a change of propagation",
      'ctrtool mount_seq -m d -t tmpfs -m d -Op -m d -Oh; grep "$PWD/d " /proc/self/mountinfo | grep -c shared:; ctrtool mount_seq -m d -t none -Ovp; grep "$PWD/d " /proc/self/mountinfo | grep -c shared:',
      "1\n0\n",
    ],
    [
      "a remount of a bind mount",
      "mkdir s; ctrtool mount_seq -m d -s s -Ob -m d -Orbox; mounts; ctrtool mount_seq -m d -Orbs; mounts",
      "d ro,noexec\nd rw,nosuid\n",
    ],
    [
      "a remount of a file system",
      "ctrtool mount_seq -m d -t tmpfs -m d -Oro -o size=8k; grep \"$PWD/d \" /proc/self/mountinfo | grep -o 'ro,size=8k'; cd d; ctrtool mount_seq -m . -Or; touch x; ls",
      "ro,size=8k\nx\n",
    ],
    [
      "no mount has escaped its flags when a step fails",
      "mkdir s; ctrtool mount_seq -m d -s s -Obo -m f -s s -Obo; echo $?; mounts",
      "3\nd ro\n",
    ],
    [
      "a program afterwards",
      "ctrtool mount_seq -m n -E -s /proc/self -K -Ob -- bash -c '[ n -ef /proc/$$ ]; echo $?'; echo $?",
      "0\n0\n",
    ],
    [
      "a program in the directory of -c, with its status",
      "ctrtool mount_seq -c d -- bash -c 'basename $PWD; exit 7'; echo $?; ctrtool mount_seq -D n -- ; echo $?",
      "d\n7\n0\n",
    ],
    [
      "a program that is not there",
      "ctrtool mount_seq -D n -- nosuchprogram; echo $?; ctrtool mount_seq -- ./d; echo $?",
      "127\n126\n",
    ],
    [
      "no program after a failure, but after one that is ignored",
      "ctrtool mount_seq -D d -- echo on; echo $?; ctrtool mount_seq -D d -e -- echo on; echo $?",
      "3\non\n0\n",
    ],
    ["-y", "ctrtool mount_seq -D n -y; echo $?", "0\n"],
    [
      "many at once",
      "mkdir s m; for i in {1..50}; do mkdir m/$i; done; ctrtool mount_seq $(for i in {1..50}; do echo -m m/$i -s s -Obo -r; done); echo $?; mounts | grep -c ' ro$'",
      "0\n50\n",
    ],
    [
      "many, of which one fails",
      "mkdir s m; for i in {1..9}; do mkdir m/$i; done; rmdir m/5; ctrtool mount_seq $(for i in {1..9}; do echo -m m/$i -s s -Obo -r; done); echo $?; mounts | wc -l; for i in 6 7 8 9; do rmdir m/$i; done; ctrtool mount_seq $(for i in {1..9}; do echo -m n/m$i -E -s s -Ob --ignore-refusal; done); echo $?",
      "3\n4\n2\n",
    ],
    [
      "many to be made, with and without -x",
      "mkdir s m m/3; ctrtool mount_seq $(for i in {1..5}; do echo -m m/$i -E -s s -Ob; done); echo $?; ctrtool mount_seq $(for i in {4..9}; do echo -m m/$i -Ex -s s -Ob -e; done); echo $?; mounts | wc -l",
      "0\n2\n9\n",
    ],
  ];
  test.each(expectations)("%s", (_name, text, output) => {
    const { stdout } = mounting(who, tree + text);
    expect(stdout).toBe(output);
  });

  test("--undo takes back what was made, and nothing else", () => {
    const words =
      "-m d -t tmpfs -D d/x -w d/y --content z -m u1 -E -s d -Ob -m u2 -f -s f -Ob -l lll -s xx -D n -m n -t tmpfs";
    const undone = mounting(who, `${tree}ctrtool mount_seq --undo ${words} -D d; echo $?; mounts; ls`);
    expect(undone).toEqual({
      status: 0,
      stdout: "3\nd\nf\nld\n",
      stderr: "ctrtool mount_seq: mkdirat: d: EEXIST (File exists)\n",
    });
    const kept = mounting(who, `${tree}ctrtool mount_seq --undo ${words}; echo $?; mounts | wc -l; ls`);
    expect(kept.stdout).toBe("0\n4\nd\nf\nld\nlll\nn\nu1\nu2\n");
  });

  test("--undo goes on where something is in its way", () => {
    const { stdout, stderr } = mounting(who, "ctrtool mount_seq --undo -D a -D b -S 'touch b/x; exit 1'; ls");
    expect(stdout).toBe("b\n");
    expect(stderr).toContain("unlinkat: b: ENOTEMPTY");
  });
});

test("nested: an ordinary user in namespaces in namespaces", () => {
  const words =
    "-m d -t tmpfs -Osd -D d/x -m d/y -E -s /etc -Obvo -r -m d/f -f -s f -Ob -m d/p -E -s d/x -Ob -u d/p";
  const { stdout } = mounting("nested", `${tree}ctrtool mount_seq ${words}; echo $?; mounts | head -3`);
  expect(stdout).toBe("0\nd rw,nosuid,nodev\nd/y ro\nd/f rw\n");
});

describe("messages", () => {
  test.each([
    [
      "-m ld -t tmpfs",
      "openat2: ld: ELOOP (Too many levels of symbolic links); hint: the path has a symlink in it, or is one, where none is allowed",
    ],
    ["-m no/d -t tmpfs", "openat2: no/d: ENOENT (No such file or directory)"],
    ["-m f/d -t tmpfs", "openat2: f/d: ENOTDIR (Not a directory)"],
    ["-D d", "mkdirat: d: EEXIST (File exists)"],
    ["-l f -s x", "symlinkat: f: EEXIST (File exists)"],
    [
      "-m d -t nosuchfs",
      "fsopen nosuchfs: d: ENODEV (No such device); hint: this kernel has no such file system type",
    ],
    [
      "-m d -t tmpfs -o bogus=1",
      "fsconfig tmpfs bogus: d: EINVAL (Invalid argument); hint: the file system has no such option, or it cannot have this value",
    ],
    [
      "-m d -s f -Ob",
      "move_mount: d: EINVAL (Invalid argument); hint: a directory on a file or a file on a directory; a mount that is locked, or shared where it lies",
    ],
    ["-S 'exit 5'", "run: exit 5: status 5"],
    [
      "-u d",
      "umount2: d: EINVAL (Invalid argument); hint: not a mount point, or locked by an outer mount namespace",
    ],
  ])("%s", (words, message) => {
    const { stdout, stderr } = mounting("root", `${tree}ctrtool mount_seq ${words}; echo $?`);
    expect({ stdout, stderr }).toEqual({ stdout: "3\n", stderr: `ctrtool mount_seq: ${message}\n` });
  });

  test("one line, whatever is in a path", () => {
    const { status, stderr } = script(
      "ctrtool mount_seq -m $'a\\nb\\xff' -s $'c\\nd' -Ob -m $'a\\nb' -s $'c\\nd' -Ob",
    );
    expect({ status, stderr }).toEqual({
      status: 3,
      stderr: "ctrtool mount_seq: openat2: c\\nd: ENOENT (No such file or directory)\n",
    });
  });

  test("without privileges, an ordinary user is told what is missing", () => {
    const { status, stderr } = ctrtool(["mount_seq", "-m", "/mnt", "-t", "tmpfs"], { ordinary: true });
    expect(status).toBe(3);
    expect(stderr).toBe(
      "ctrtool mount_seq: fsopen tmpfs: /mnt: EPERM (Operation not permitted); hint: needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace\n",
    );
  });
});

describe("where the kernel or the system is another", () => {
  test("options that fsconfig cannot take go to mount(2), through a real /proc only", () => {
    const long = `lowerdir=${"l1:".repeat(100)}l2`;
    const setup = "mkdir l1 l2; touch l1/a l2/b\n";
    const works = mounting(
      "root",
      `${tree}${setup}ctrtool mount_seq -m d -t overlay -o ${long}; echo $?; mounts`,
    );
    expect(works.stdout).toMatch(/^(0\nd ro\n|3\n)$/);
    const hidden = mounting(
      "root",
      `${tree}${setup}mkdir p; mount -t tmpfs none /proc; "$CTRTOOL" mount_seq -m d -t overlay -o ${long}; echo $?`,
    );
    expect(hidden).toEqual({
      status: 0,
      stdout: "3\n",
      stderr: "ctrtool mount_seq: long or special mount options need /proc: d\n",
    });
  });

  test("where access times are locked, a bind mount without -r gets its other flags", () => {
    const inner =
      '"$CTRTOOL" mount_seq -m d -s s -Obao; echo $?; "$CTRTOOL" mount_seq -m d -s s -Obao -r; echo $?; cut -d" " -f5,6 /proc/self/mountinfo | sed -n "s,^$PWD/d ,,p"';
    const { stdout } = mounting("root", `${tree}mkdir s; unshare -Urm bash -c '${inner}'`);
    expect(stdout).toBe("0\n3\nro,relatime\n");
  });

  test("locked flags that only restrict are kept; a locked read-only is an error", () => {
    const outer = "mkdir n e; mount -t tmpfs -o nosuid,nodev none n; mount -t tmpfs -o ro none e; ";
    const inner =
      '"$CTRTOOL" mount_seq -m d -s n -Obo -r -m f -s f -Ob; echo $?; "$CTRTOOL" mount_seq -m d -s e -Ob -r; echo $?; cut -d" " -f5,6 /proc/self/mountinfo | sed -n "s,^$PWD/d ,,p"';
    const { stdout } = mounting(
      "root",
      `${tree}${outer} unshare --user --map-root-user --mount bash -c '${inner}'`,
    );
    expect(stdout).toBe("0\n3\nro,nosuid,nodev,relatime\n");
  });

  test("a tree of mounts that is locked is bound as a whole or not at all", () => {
    const inner = '"$CTRTOOL" mount_seq -m d -s s -Ob; echo $?; "$CTRTOOL" mount_seq -m d -s s -Obv; echo $?';
    const { stdout } = mounting(
      "root",
      `${tree}mkdir -p s/t; mount -t tmpfs none s/t; unshare --user --map-root-user --mount bash -c '${inner}'`,
    );
    expect(stdout).toBe("3\n0\n");
  });
});

describe("races", () => {
  /** Swaps the directory t/a for a symlink to outside and back, as fast as it can. */
  const attacker = `
    const { renameSync, writeFileSync } = require("node:fs");
    writeFileSync("attacking", "");
    for (;;) {
      renameSync("t/a", "t/b"), renameSync("t/link", "t/a");
      renameSync("t/a", "t/link"), renameSync("t/b", "t/a");
    }`;

  /** What is outside after 2000 directories, files, links and bind mounts have been made in t/a, with `modifier`. */
  function outside(modifier: string): string {
    const operations = `-D t/a/d$i -w t/a/w$i --content x -l t/a/l$i -s x -m t/a/f$i -f -s f -Ob -m t/a/e$i -E -s d -Ob`;
    const each = operations
      .replace(/-(?=[Dwlm] )/g, `${modifier} -e --ignore-refusal -`)
      .replace(/^\S* -e --ignore-refusal /, "");
    const words = `$(for i in {1..400}; do echo ${each} -e --ignore-refusal ${modifier}; done)`;
    const { stdout } = mounting(
      "root",
      `${tree}mkdir -p t/a outside; ln -s ../outside t/link; "${process.execPath}" -e '${attacker}' & until [ -e attacking ]; do sleep 0.01; done
      ctrtool mount_seq ${words} 2>/dev/null; kill $!; wait; ls outside | sed 's/[0-9]*$//' | sort -u | tr -d '\n'; mounts | grep -o ^outside | sort -u`,
    );
    return stdout;
  }

  test("what is swapped for a symlink in the middle of it is never followed", () => {
    // That the attack is one at all; not each try hits.
    let hit = "";
    for (let round = 0; round < 20 && hit === ""; round++) hit = outside("-k");
    expect(hit).toMatch(/^[deflw]+(outside)?\n?$/);
    expect(outside("")).toBe("");
  });
});

test("the help text names every letter", () => {
  build();
  const { stdout, status } = run([binary, "mount_seq", "--help"]);
  expect(status).toBe(0);
  for (const letter of "mDuSclweykKstoEfxrOFM") expect(stdout).toContain(`-${letter}, --`);
});
