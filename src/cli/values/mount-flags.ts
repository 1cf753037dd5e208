/** Flags of mount(2) and umount2(2), by the letters of mount_seq, by name, and by bit number. */
import {
  MNT_DETACH,
  MNT_EXPIRE,
  MNT_FORCE,
  MS_BIND,
  MS_DIRSYNC,
  MS_I_VERSION,
  MS_LAZYTIME,
  MS_MANDLOCK,
  MS_MOVE,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_POSIXACL,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_RELATIME,
  MS_REMOUNT,
  MS_SHARED,
  MS_SILENT,
  MS_SLAVE,
  MS_STRICTATIME,
  MS_SYNCHRONOUS,
  MS_UNBINDABLE,
  UMOUNT_NOFOLLOW,
} from "../../sys/constants.ts";
import { clipped, quote, UsageError } from "../failure.ts";
import { suggestion } from "../nearest.ts";
import { readNumber } from "./number.ts";

/** The flags that one kind of operation has. */
export interface FlagTable {
  /** What they are flags of, for messages. */
  readonly of: string;
  readonly letters: Readonly<Record<string, number>>;
  /** In lower case, without the prefix of the kernel's name. */
  readonly names: Readonly<Record<string, number>>;
}

export const mountFlags: FlagTable = {
  of: "mount",
  letters: {
    a: MS_NOATIME,
    b: MS_BIND,
    c: MS_RELATIME,
    d: MS_NODEV,
    e: MS_DIRSYNC,
    h: MS_SHARED,
    l: MS_SLAVE,
    m: MS_MOVE,
    o: MS_RDONLY,
    p: MS_PRIVATE,
    q: MS_SILENT,
    r: MS_REMOUNT,
    s: MS_NOSUID,
    t: MS_STRICTATIME,
    u: MS_UNBINDABLE,
    v: MS_REC,
    w: MS_SYNCHRONOUS,
    x: MS_NOEXEC,
    z: MS_LAZYTIME,
  },
  names: {
    rdonly: MS_RDONLY,
    ro: MS_RDONLY,
    nosuid: MS_NOSUID,
    nodev: MS_NODEV,
    noexec: MS_NOEXEC,
    synchronous: MS_SYNCHRONOUS,
    sync: MS_SYNCHRONOUS,
    remount: MS_REMOUNT,
    mandlock: MS_MANDLOCK,
    dirsync: MS_DIRSYNC,
    nosymfollow: MS_NOSYMFOLLOW,
    noatime: MS_NOATIME,
    nodiratime: MS_NODIRATIME,
    bind: MS_BIND,
    move: MS_MOVE,
    rec: MS_REC,
    silent: MS_SILENT,
    posixacl: MS_POSIXACL,
    unbindable: MS_UNBINDABLE,
    private: MS_PRIVATE,
    slave: MS_SLAVE,
    shared: MS_SHARED,
    relatime: MS_RELATIME,
    i_version: MS_I_VERSION,
    strictatime: MS_STRICTATIME,
    lazytime: MS_LAZYTIME,
  },
};

export const unmountFlags: FlagTable = {
  of: "umount",
  letters: { f: MNT_FORCE, l: MNT_DETACH, n: UMOUNT_NOFOLLOW, x: MNT_EXPIRE },
  names: { force: MNT_FORCE, detach: MNT_DETACH, nofollow: UMOUNT_NOFOLLOW, expire: MNT_EXPIRE },
};

/** mount_seq's own: what it makes may exist. */
export const existingFlags: FlagTable = { of: "mkdir", letters: { e: 1 }, names: { existing: 1 } };

/** The flags that `letters` stand for; an empty text is fine. @throws UsageError at any other character. */
export function flagsByLetters({ of, letters }: FlagTable, text: string): number {
  let flags = 0;
  for (let index = 0; index < text.length; index++) {
    const letter = text.charAt(index);
    const flag = Object.hasOwn(letters, letter) ? letters[letter] : undefined;
    if (flag === undefined) {
      const known = Object.keys(letters).join("");
      throw new UsageError(`${clipped(letter)} is no ${of} flag (known: ${known})`);
    }
    flags |= flag;
  }
  return flags;
}

const prefix = /^(?:ms|mnt|umount)_/;
const bits = 64n;

function flagByName({ of, names }: FlagTable, text: string): number {
  const name = text.toLowerCase().replace(prefix, "");
  const flag = Object.hasOwn(names, name) ? names[name] : undefined;
  if (flag === undefined) {
    throw new UsageError(`${quote(text)} is no ${of} flag${suggestion(name, Object.keys(names))}`);
  }
  return flag;
}

/** Flags by bit number (1 is added shifted left by it) or by name, several separated by commas. @throws UsageError */
export function flagsByNumber(table: FlagTable, text: string): number {
  return text.split(",").reduce((flags, item) => {
    if (!/^[0-9]/.test(item)) return flags | flagByName(table, item);
    const bit = readNumber(item, "c", bits - 1n);
    const flag = bit < 31n ? 1 << Number(bit) : 0;
    const known = Object.values(table.names).includes(flag);
    if (!known) throw new UsageError(`bit ${bit} is no ${table.of} flag`);
    return flags | flag;
  }, 0);
}
