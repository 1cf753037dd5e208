/**
 * Between bytes and byte strings: one char a byte, its value the byte's.
 *
 * By way of base64, which the engine does in native code both ways: 6 us for an ordinary environment. Loading
 * Buffer takes 100 us, TextDecoder has no encoding that leaves all bytes alone, a loop needs 200 us.
 */

/** The byte string of `bytes`. */
export function byteString(bytes: Uint8Array): string {
  return atob(bytes.toBase64());
}

/** The bytes of a byte string. Throws a DOMException if it is not one: a char above 255. */
export function bytesOf(text: string): Uint8Array {
  return Uint8Array.fromBase64(btoa(text));
}
