/** What can go wrong below the applets, as a value; and how outside text gets into a message. */

/** A system call that JavaScript itself made, and that failed. */
export class OperationError extends Error {
  override readonly name = "OperationError";
  readonly step: string;
  readonly what: string;
  /** Positive, as in errno(3). */
  readonly errno: number;

  constructor(step: string, what: string, errno: number) {
    super(`${step}: ${what}: errno ${errno}`);
    this.step = step;
    this.what = what;
    this.errno = errno;
  }
}

/** `text` with everything but printable ASCII escaped, so that it cannot end a line or drive a terminal. */
export function oneLine(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, escaped);
}

function escaped(char: string): string {
  const code = char.charCodeAt(0);
  if (char === "\n") return "\\n";
  if (char === "\t") return "\\t";
  return code < 0x100
    ? `\\x${code.toString(16).padStart(2, "0")}`
    : `\\u${code.toString(16).padStart(4, "0")}`;
}
