/** The help text of the whole suite, laid out by cac. Loaded only when it is asked for. */
import { cac } from "cac";
import type { Applet, Entry, Suite } from "./suite.ts";

/** An entry together with what only its file knows. */
export interface Described {
  readonly entry: Entry;
  readonly applet: Applet;
}

/** Loads the files of `entries`. */
export async function describe(entries: readonly Entry[]): Promise<readonly Described[]> {
  return Promise.all(entries.map(async (entry) => ({ entry, applet: (await entry.load()).default })));
}

/** cac prints to the console; this is what it would have printed. */
function printed(print: () => void): string {
  const { info } = console;
  const lines: string[] = [];
  console.info = (line: string) => lines.push(line);
  try {
    print();
  } finally {
    console.info = info;
  }
  return `${lines.join("\n")}\n`;
}

const more = [
  "  $ ctrtool APPLET --help     its options, exit statuses, examples",
  "  $ ctrtool APPLET --explain  print what would be done, and do nothing",
  "",
  "A link to the executable under an applet's name runs that applet: see install.",
];

/** The text of `ctrtool --help`. */
export async function overview({ applets, commands }: Suite, version: string): Promise<string> {
  const cli = cac("ctrtool");
  cli.usage("[escape] APPLET [OPTION]... [ARG]...").version(version);
  // Not cac's options, whose letters we do not have, nor its footer, which repeats the table of commands.
  cli.help((sections) => [
    ...sections.filter(({ title = "" }) => ["", "Usage", "Commands"].includes(title)),
    { title: "More", body: more.join("\n") },
  ]);
  for (const { entry, applet } of await describe([...applets, ...commands])) {
    const also = entry.aliases.length === 0 ? "" : ` (also ${entry.aliases.join(", ")})`;
    cli.command(entry.name, applet.spec.summary + also);
  }
  return printed(() => cli.outputHelp());
}
