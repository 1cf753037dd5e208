import { describe, expect, test } from "bun:test";
import * as structs from "../../src/sys/structs.ts";
import { struct } from "../../src/sys/structs.ts";

const mixed = struct(() => [
  ["byte", "u8"],
  ["word", "u32"],
  ["port", "be16"],
  ["wide", "i64"],
  ["tail", "u8", 3],
]);

test("fields are aligned as in C", () => {
  const offsets = (["byte", "word", "port", "wide", "tail"] as const).map((name) => mixed.offset(name));
  expect(offsets).toEqual([0, 4, 8, 16, 24]);
  expect(mixed.size).toBe(32);
});

test("a packed structure has no padding", () => {
  const { x86_64, aarch64 } = structs.archStructs;
  expect([x86_64.epoll_event.size, x86_64.epoll_event.offset("data")]).toEqual([12, 4]);
  expect([aarch64.epoll_event.size, aarch64.epoll_event.offset("data")]).toEqual([16, 8]);
});

test("bytes are where the kernel looks for them", () => {
  const bytes = mixed.pack({ byte: 1, word: 0x11223344, port: 80, wide: -2, tail: [7, 8] });
  expect(Buffer.from(bytes).toString("hex")).toBe(
    "01000000443322110050000000000000feffffffffffffff0708000000000000",
  );
});

test("what is packed is unpacked", () => {
  const values = { byte: 255, word: 0xfffffffe, port: 65535, wide: -(2n ** 63n), tail: [1, 2, 3] };
  expect(mixed.unpack(mixed.pack(values))).toEqual(values);
});

test("fields left out are zero", () => {
  expect(structs.clone_args.pack({})).toEqual(new Uint8Array(88));
  expect(structs.clone_args.pack({ exit_signal: undefined })).toEqual(new Uint8Array(88));
});

test("an array of structures is packed one after the other, and read from where it lies", () => {
  const bytes = structs.iovec.packAll([
    { iov_base: 1, iov_len: 2n },
    { iov_base: 3, iov_len: 2n ** 64n - 1n },
  ]);
  expect(bytes).toHaveLength(32);
  expect(structs.iovec.unpack(bytes, 16)).toEqual({ iov_base: 3n, iov_len: 2n ** 64n - 1n });
  // A view into a larger buffer, as results of system calls are.
  expect(structs.iovec.unpack(bytes.subarray(16))).toEqual({ iov_base: 3n, iov_len: 2n ** 64n - 1n });
});

describe("mistakes throw", () => {
  test.each([
    ["too large", { word: 2 ** 32 }],
    ["negative in an unsigned field", { word: -1 }],
    ["too large for a signed field", { wide: 2n ** 63n }],
    ["a fraction", { word: 1.5 }],
    ["too many elements", { tail: [1, 2, 3, 4] }],
    ["an element too large", { tail: [256] }],
    ["an array for a scalar", { byte: [1, 2] as unknown as number }],
  ])("%s", (_, values) => {
    expect(() => mixed.pack(values)).toThrow(RangeError);
  });

  test("bytes cut short", () => {
    expect(() => mixed.unpack(new Uint8Array(31))).toThrow(RangeError);
    expect(() => mixed.unpack(new Uint8Array(40), 9)).toThrow(RangeError);
  });
});

test("every structure reads back what it wrote", () => {
  const { x86_64, aarch64 } = structs.archStructs;
  const layouts = [structs, x86_64, aarch64]
    .flatMap((from) => Object.values(from))
    .filter((value) => value instanceof structs.Struct);
  expect(layouts.length).toBeGreaterThan(30);
  for (const layout of layouts) {
    const bytes = Uint8Array.from({ length: layout.size }, (_, index) => (index * 37 + 11) & 0xff);
    const once = layout.unpack(bytes);
    expect(layout.unpack(layout.pack(once as never))).toEqual(once);
  }
});
