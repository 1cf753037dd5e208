/** Something that stops the build and that the person who builds can understand: one line, no stack trace. */
export class BuildProblem extends Error {
  override readonly name = "BuildProblem";
}
