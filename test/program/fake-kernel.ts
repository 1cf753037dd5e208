import type { KernelAnswer, Memory, TracedCall } from "../../src/program/interpreter.ts";

const ENOENT = 2;
const EBADF = 9;
const ECHILD = 10;
const ENOSYS = 38;

/** What an executed file does, as far as anybody sees it. */
export interface FakeFile {
  readonly output: string;
  readonly status: number;
}

/**
 * A kernel of few calls: descriptors 1 and 2 with what was written to them, pipes, children, and files that can be
 * executed. A child runs to its end inside its parent's clone, so nothing in it may wait for the parent.
 */
export class FakeKernel {
  /** What was written to descriptor 1, one character a byte. */
  output = "";
  /** What was written to descriptor 2. */
  errors = "";
  /** Status of the process 0, if it executed a file. */
  executed: number | undefined;
  readonly #files: Readonly<Record<string, FakeFile>>;
  /** Bytes waiting in a pipe, by the number of its first descriptor; the second is one more. */
  readonly #pipes = new Map<bigint, number[]>();
  #nextDescriptor = 3n;
  #nextPid = 100;
  readonly #zombies: { pid: number; status: number }[] = [];

  constructor(files: Readonly<Record<string, FakeFile>> = {}) {
    this.#files = files;
  }

  /** Answers a call; give it to the interpreter as `kernel`. */
  readonly answer = (call: TracedCall, memory: Memory): KernelAnswer => {
    const [first = 0n, second = 0n, third = 0n] = call.args;
    switch (call.name) {
      case "write":
        return this.#write(first, memory.bytes(second, Number(third)));
      case "read":
        return this.#read(first, memory, second, Number(third));
      case "pipe2":
        return this.#pipe(memory, first);
      case "close":
        return 0;
      case "getppid":
        return call.pid === 0 ? 1 : 0;
      case "clone":
        return { fork: true, pid: this.#nextPid++ };
      case "wait4":
        return this.#wait(memory, second);
      case "execve":
        return this.#execute(call);
      case "exit":
      case "exit_group":
        if (call.pid > 0) this.#zombies.push({ pid: call.pid, status: Number(first & 0xffn) });
        return 0;
      default:
        return -ENOSYS;
    }
  };

  #write(descriptor: bigint, bytes: Uint8Array): number {
    const pipe = this.#pipes.get(descriptor - 1n);
    if (descriptor === 1n) this.output += Buffer.from(bytes).toString("latin1");
    else if (descriptor === 2n) this.errors += Buffer.from(bytes).toString("latin1");
    else if (pipe) pipe.push(...bytes);
    else return -EBADF;
    return bytes.length;
  }

  #read(descriptor: bigint, memory: Memory, into: bigint, length: number): number {
    const pipe = this.#pipes.get(descriptor);
    if (!pipe) return -EBADF;
    const bytes = pipe.splice(0, length);
    memory.bytes(into, length).set(bytes);
    return bytes.length;
  }

  #pipe(memory: Memory, into: bigint): number {
    memory.write(4, into, this.#nextDescriptor);
    memory.write(4, into + 4n, this.#nextDescriptor + 1n);
    this.#pipes.set(this.#nextDescriptor, []);
    this.#nextDescriptor += 2n;
    return 0;
  }

  #wait(memory: Memory, status: bigint): number {
    const child = this.#zombies.shift();
    if (!child) return -ECHILD;
    if (status !== 0n) memory.write(4, status, child.status << 8);
    return child.pid;
  }

  #execute(call: TracedCall): KernelAnswer {
    const file = this.#files[call.texts[0] ?? ""];
    if (!file) return -ENOENT;
    this.output += file.output;
    if (call.pid === 0) this.executed = file.status;
    else this.#zombies.push({ pid: call.pid, status: file.status });
    return { end: true };
  }
}
