/** Look-ups in an environment as the kernel hands it over: `NAME=VALUE` byte strings. */

/** The first value of `name`, as getenv(3) finds it. */
export function environmentValue(environment: readonly string[], name: string): string | undefined {
  const start = `${name}=`;
  return environment.find((entry) => entry.startsWith(start))?.slice(start.length);
}
