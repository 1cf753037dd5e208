/**
 * The data string of mount(2) as the options that fsconfig(2) takes one by one. The kernel itself takes data
 * strings apart in this way (fs/fs_context.c, generic_parse_monolithic); the deviations of single file systems
 * and of SELinux are followed here.
 */

/** `name`, or `name=value`. */
export interface MountOption {
  readonly name: string;
  readonly value?: string;
}

/** fsconfig(2) takes keys and values of less than this many bytes. */
export const optionLimit = 256;

/** These take their data string apart by rules of their own, or do not get text at all. */
const ownSyntax: readonly string[] = ["cifs", "smb3", "coda", "ncpfs", "vboxsf"];

/** Options of SELinux: their values may be quoted, because they have commas in them. */
const quotable = /^(?:context|fscontext|defcontext|rootcontext|seclabel)$/;

/** Where `data` is to be cut, for a file system type. */
function isSeparator(type: string, data: string, index: number): boolean {
  // overlay: a backslash takes the comma's meaning away, and stays.
  if (type === "overlay") {
    let backslashes = 0;
    while (data[index - 1 - backslashes] === "\\") backslashes++;
    return backslashes % 2 === 0;
  }
  // tmpfs: a digit does not begin an option, but goes on with a list of nodes (mpol=bind:0,2).
  if (type === "tmpfs" || type === "devtmpfs") return !/[0-9]/.test(data[index + 1] ?? "");
  return true;
}

function cut(type: string, data: string): string[] {
  const items: string[] = [];
  let start = 0;
  let quoted = false;
  for (let index = 0; index < data.length; index++) {
    const char = data[index];
    if (char === '"') quoted = !quoted;
    if (char !== "," || quoted || !isSeparator(type, data, index)) continue;
    items.push(data.slice(start, index));
    start = index + 1;
  }
  items.push(data.slice(start));
  return items;
}

function option(item: string): MountOption {
  const equals = item.indexOf("=");
  if (equals < 0) return { name: item };
  const name = item.slice(0, equals);
  const value = item.slice(equals + 1);
  return { name, value: quotable.test(name) ? value.replaceAll('"', "") : value };
}

/**
 * The options in `data`, in order; undefined if fsconfig(2) cannot be told the same: an option of 256 bytes or
 * more, or a type with a syntax of its own.
 */
export function mountOptions(type: string, data: string): readonly MountOption[] | undefined {
  if (ownSyntax.includes(type)) return undefined;
  const options = cut(type, data)
    // The kernel skips these as well.
    .filter((item) => item !== "" && !item.startsWith("="))
    .map(option);
  const fit = options.every(
    ({ name, value = "" }) => name.length < optionLimit && value.length < optionLimit,
  );
  return fit ? options : undefined;
}
