/** The help text of an applet, made from its spec. Loaded only when help is asked for. */
import type { Details, OptionSpec, Spec } from "./spec.ts";

/** Texts start at this column; a longer left side gets a line of its own. */
const TEXT_COLUMN = 30;

/** One row of a table. */
type Row = readonly [left: string, right: string];

/** Exit statuses that follow from the usage status. */
const statuses: Readonly<Record<Spec["usageStatus"], Readonly<Record<string, string>>>> = {
  125: {
    "125": "ctrtool itself failed, wrong usage included; nothing was executed",
    "126": "PROGRAM could not be executed",
    "127": "PROGRAM was not found",
    other: "the status of PROGRAM; 128+N if signal N ended it",
  },
  2: { "0": "done", "1": "an operation failed", "2": "wrong usage; nothing was done" },
  1: { "0": "done", "1": "wrong usage; nothing was done" },
};

function row([left, right]: Row): string {
  if (right === "") return `  ${left}`;
  return left.length + 4 <= TEXT_COLUMN
    ? `  ${left}`.padEnd(TEXT_COLUMN) + right
    : `  ${left}\n${" ".repeat(TEXT_COLUMN)}${right}`;
}

function section(title: string, rows: readonly Row[]): string[] {
  return rows.length === 0 ? [] : [`${title}:\n${rows.map(row).join("\n")}`];
}

function withDefault(help: string, value: string | undefined): string {
  return value === undefined ? help : `${help} (default: ${value})`;
}

/** `--long=VALUE` as it is typed. */
export function longForm(option: OptionSpec): string {
  if (option.settings !== undefined) return `--${option.long}=NAME=VALUE`;
  if (option.value === undefined) return `--${option.long}`;
  const value = `=${option.metavar}`;
  return `--${option.long}${option.bareValue === undefined ? value : `[${value}]`}`;
}

function optionRow(option: OptionSpec): Row {
  const letter = option.short === undefined ? "    " : `-${option.short}, `;
  const repeats = option.value !== undefined && option.repeat ? `${option.help}; repeatable` : option.help;
  const fallback = option.value === undefined ? undefined : option.default;
  return [letter + longForm(option), withDefault(repeats, fallback)];
}

function settingSections(options: readonly OptionSpec[]): string[] {
  return options.flatMap((option) => {
    if (option.settings === undefined) return [];
    const rows = Object.entries(option.settings).map(([name, setting]): Row => {
      return [`${name}=${setting.metavar}`, withDefault(setting.help, setting.default)];
    });
    return section(`Settings for --${option.long}`, rows);
  });
}

function detailSection({ title, lines }: Details): string {
  return `${title}:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}

/** The whole text. `explains`: the applet understands `--explain`. */
export function helpText(spec: Spec, explains: boolean): string {
  const options = Object.values(spec.options).filter(({ hidden }) => !hidden);
  const common: readonly Row[] = [
    ...(explains
      ? [["    --explain", "print what would be done, step by step, and do nothing"] as const]
      : []),
    ["    --help", "print this text"],
  ];
  const sections = [
    `Usage: ctrtool ${spec.name} [OPTION]... ${spec.usage}`.trimEnd(),
    `${spec.summary.charAt(0).toUpperCase()}${spec.summary.slice(1)}.`,
    ...section("Options", [...options.map(optionRow), ...common]),
    ...settingSections(options),
    ...(spec.details ?? []).map(detailSection),
    ...section("Exit status", Object.entries({ ...statuses[spec.usageStatus], ...spec.statuses })),
    ...section(
      "Examples",
      (spec.examples ?? []).map((example): Row => [`ctrtool ${example}`, ""]),
    ),
  ];
  return `${sections.join("\n\n")}\n`;
}
