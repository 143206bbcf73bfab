/** The logger as the rooms know it: `main` makes it, everyone else takes it as an argument. */

/** Facts of one line. Never a patient attribute, a file name or free text of a request. */
export type LogFields = Readonly<Record<string, string | number | boolean | null>>

export interface Log {
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
}

/**
 * Where an unexpected error came from, without what it says: its message may quote the input.
 *
 * returns  the class of the error and up to eight frames of its stack and of its cause's
 */
export function toLogFrames(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  const own = [error.constructor.name, ...frames.slice(0, 8).map((line) => line.trim())].join('\n')
  return error.cause === undefined ? own : `${own}\ncaused by ${toLogFrames(error.cause)}`
}
