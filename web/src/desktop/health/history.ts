// The monitor's last day: series of samples with names and units, whatever they are called.

export interface Series {
  readonly name: string
  readonly unit: string
  /** Milliseconds UTC, rising. */
  readonly times: readonly number[]
  readonly values: readonly (number | null)[]
}

export const HISTORY_PATH = "/api/monitoring/history"

function pairOf(sample: unknown): readonly [number, number | null] | null {
  if (!Array.isArray(sample)) return null
  const [at, value] = sample as readonly unknown[]
  return typeof at === "number" && (typeof value === "number" || value === null) ? [at, value] : null
}

/** What can be drawn of an answer; what is no series is left out. */
export function seriesOf(answer: unknown): readonly Series[] {
  const listed = typeof answer === "object" && answer !== null && "series" in answer ? answer.series : null
  if (!Array.isArray(listed)) return []
  return listed.flatMap((each: unknown): Series[] => {
    if (typeof each !== "object" || each === null || !("name" in each) || typeof each.name !== "string") return []
    const samples = "samples" in each ? each.samples : null
    if (!Array.isArray(samples)) return []
    const pairs = samples.flatMap((sample: unknown) => {
      const pair = pairOf(sample)
      return pair === null ? [] : [pair]
    })
    const unit = "unit" in each && typeof each.unit === "string" ? each.unit : ""
    return [{ name: each.name, unit, times: pairs.map(([at]) => at), values: pairs.map(([, value]) => value) }]
  })
}

/** Between two samples farther apart there is a hole: thrice the usual distance. */
export function apartOf(times: readonly number[]): number {
  const steps = times.slice(1).map((time, index) => time - (times[index] ?? time)).sort((a, b) => a - b)
  return 3 * (steps[Math.floor(steps.length / 2)] ?? 60_000)
}
