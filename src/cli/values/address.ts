/** Socket addresses: IP ones with a port and options, raw ones in hexadecimal; see ip(7), ipv6(7). */
import { type AddressOption, addressOptions, type IpAddress, type RawAddress } from "../../plan/sockets.ts";
import { AF_INET, AF_INET6, IFNAMSIZ } from "../../sys/constants.ts";
import { clipped, quote, UsageError } from "../failure.ts";
import { readNumber, U32_MAX } from "./number.ts";
import { type Reader, readBy, reader } from "./reader.ts";

const highestPort = 0xffffn;
const highestByte = 255;
const groupCount = 8;
/** struct sockaddr_storage, and the family at its beginning. */
const rawBytes = { most: 128, least: 2 };

/** Four decimal numbers without superfluous zeros, as inet_pton(3) takes them. */
function readInet4(text: string): number[] | undefined {
  const parts = text.split(".");
  const good = (part: string): boolean => /^(?:0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= highestByte;
  return parts.length === 4 && parts.every(good) ? parts.map(Number) : undefined;
}

/** One side of `::`: groups of up to four hexadecimal digits; the last of all may be an IPv4 address. */
function readGroups(text: string, last: boolean): number[] | undefined {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":");
  for (const [index, group] of groups.entries()) {
    const inet4 = last && index === groups.length - 1 ? readInet4(group) : undefined;
    if (inet4) bytes.push(...inet4);
    else if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & highestByte);
    } else return undefined;
  }
  return bytes;
}

function readInet6(text: string): number[] | undefined {
  const sides = text.split("::");
  const size = 2 * groupCount;
  if (sides.length === 1) {
    const bytes = readGroups(text, true);
    return bytes?.length === size ? bytes : undefined;
  }
  const [left = "", right = ""] = sides;
  const before = readGroups(left, false);
  const after = readGroups(right, true);
  if (sides.length > 2 || !before || !after || before.length + after.length > size - 2) return undefined;
  return [...before, ...new Array<number>(size - before.length - after.length).fill(0), ...after];
}

/** The name of a network interface. */
export const interfaceName: Reader<string> = reader((name) => {
  if (name === "" || name.length >= IFNAMSIZ || /[/\s]/.test(name)) {
    throw new UsageError(`${quote(name)} cannot be the name of an interface (1 to ${IFNAMSIZ - 1} bytes)`);
  }
  return name;
});

interface Flags {
  readonly options: readonly AddressOption[];
  readonly v6Only?: boolean;
  readonly numericScope: boolean;
}

function readFlags(text: string): Flags {
  const options: AddressOption[] = [];
  let v6Only: boolean | undefined;
  let numericScope = false;
  const isOption = (letter: string): letter is AddressOption => Object.hasOwn(addressOptions, letter);
  for (const letter of text) {
    if (isOption(letter)) options.push(letter);
    else if (letter === "o" || letter === "O") v6Only = letter === "o";
    else if (letter === "I") numericScope = true;
    else if (letter !== ":") {
      throw new UsageError(
        `unknown address flag ${clipped(letter)} (known: ${Object.keys(addressOptions).join("")}oOI:)`,
      );
    }
  }
  return { options, numericScope, ...(v6Only === undefined ? {} : { v6Only }) };
}

function readScope(scope: string | undefined, numeric: boolean): number | string | undefined {
  if (scope === undefined) {
    if (numeric) throw new UsageError("the flag I goes with a scope");
    return undefined;
  }
  if (numeric) return Number(readNumber(scope, "c", BigInt(U32_MAX)));
  return readBy(interfaceName, scope);
}

function ipAddress(family: IpAddress["family"]): Reader<IpAddress> {
  const v6 = family === AF_INET6;
  return reader((text) => {
    const parts = text.split(",");
    const [host = "", port, flagText = "", scopeText] = parts;
    if (port === undefined || parts.length > (v6 ? 4 : 3)) {
      throw new UsageError(`${quote(text)} is not of the form ADDRESS,PORT[,FLAGS${v6 ? "[,SCOPE]" : ""}]`);
    }
    const address = v6 ? readInet6(host) : readInet4(host);
    if (!address) throw new UsageError(`${quote(host)} is not an ${v6 ? "IPv6" : "IPv4"} address`);
    const portNumber = Number(readNumber(port, "decimal", highestPort));
    const { options, v6Only, numericScope } = readFlags(flagText);
    if (!v6 && (v6Only !== undefined || numericScope)) {
      throw new UsageError("the flags o, O and I are for IPv6 addresses only");
    }
    const scope = readScope(scopeText, numericScope);
    return {
      form: "ip",
      family,
      address: Uint8Array.from(address),
      port: portNumber,
      options,
      ...(v6Only === undefined ? {} : { v6Only }),
      ...(scope === undefined ? {} : { scope }),
      text: v6 ? `[${host}]:${port}` : `${host}:${port}`,
    };
  });
}

/** `ADDRESS,PORT[,FLAGS]` */
export const inet4Address: Reader<IpAddress> = ipAddress(AF_INET);

/** `ADDRESS,PORT[,FLAGS[,SCOPE]]` */
export const inet6Address: Reader<IpAddress> = ipAddress(AF_INET6);

/** The bytes of a socket address in hexadecimal, from the family (in the machine's byte order) on. */
export const rawAddress: Reader<RawAddress> = reader((text) => {
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(text)) throw new UsageError(`${quote(text)} is not bytes in hexadecimal`);
  const { least, most } = rawBytes;
  if (text.length < 2 * least || text.length > 2 * most) {
    throw new UsageError(`a socket address has ${least} to ${most} bytes, not ${text.length / 2}`);
  }
  return { form: "raw", bytes: Uint8Array.fromHex(text), text };
});
